"""`skylift work-pool register`: a pool over infrastructure that something else made, such as Terraform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from skylift.cli.base import Command
from skylift.cli.options import connect, json_object, output_option, tell

if TYPE_CHECKING:
    from skylift.cli.client import Api
    from skylift.cli.registration import Registration

VARIABLE = "SKYLIFT_REGISTRATION"


@click.command(
    cls=Command,
    examples=[
        "skylift work-pool register pool.json",
        "terraform output -json registration | skylift work-pool register -",
    ],
)
@click.argument("file", required=False)
@output_option
def register(file: str | None, output: str) -> None:
    """Create a pool over infrastructure that is there, or bring it up to date: what Terraform's modules for pools
    print as their output `registration`. FILE is JSON, - standard input; without one it is the environment variable
    SKYLIFT_REGISTRATION. Doing it again changes nothing."""
    wanted = _read(file)
    with connect() as api:
        pool, is_new = _put_pool(api, wanted)
    done = "Registered" if is_new else "Updated"
    tell(output, pool, f"{done} work pool '{wanted.name}' of type {wanted.type} ({pool['status']})")


def _read(file: str | None) -> Registration:
    """Raises `UsageError` saying what is wrong with it, without what it holds."""
    import os

    from pydantic import ValidationError

    from skylift.cli.registration import Registration

    text = "@" + file if file else os.environ.get(VARIABLE, "")
    if not text:
        raise click.UsageError(f"Name a file, or - for standard input, or set {VARIABLE}")
    what = f"The registration {file}" if file else VARIABLE
    try:
        return Registration.model_validate(json_object(text, what))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors())
        raise click.UsageError(f"{what} is not valid: {wrong}") from None


def _put_pool(api: Api, wanted: Registration) -> tuple[dict[str, Any], bool]:
    """The pool, and whether it is new. A new one is paused until it knows everything."""
    from skylift.cli import provisioning
    from skylift.cli.client import path
    from skylift.cli.work_pool_create import check_known, check_type, find, types_served

    check_type(wanted.type, types_served(api))
    known = find(api, wanted.name)
    check_known(known, wanted.name, wanted.type)
    if known:
        if wanted.changes:
            api.patch(path("work_pools", wanted.name), wanted.changes)
    else:
        api.post("/work_pools/", {"name": wanted.name, "type": wanted.type, "is_paused": True, **wanted.changes})
    block_type = wanted.credentials.block_type
    provisioning.hand_over(api, wanted.name, wanted.handover, block_type, f"{wanted.name}-{block_type}")
    if not known:
        api.patch(path("work_pools", wanted.name), {"is_paused": False})
    made: dict[str, Any] = api.get(path("work_pools", wanted.name))
    return made, not known
