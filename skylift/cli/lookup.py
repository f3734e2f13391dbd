"""Finding what a person names: a deployment by FLOW/NAME or id, a flow run by id or name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

if TYPE_CHECKING:
    from skylift.cli.client import Api

Found = dict[str, Any]


def is_id(text: str) -> bool:
    """Whether this is a UUID."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def deployment(api: Api, name: str) -> Found:
    """By `FLOW/NAME` or id."""
    from skylift.cli.client import path

    if is_id(name):
        found: Found = api.get(path("deployments", name))
        return found
    flow, slash, own = name.partition("/")
    if not slash or not flow or not own:
        raise click.UsageError(f"A deployment is named FLOW/NAME (or by its id), not {name!r}")
    by_name: Found = api.get(path("deployments", "name", flow, own))
    return by_name


def full_name(found: Found) -> str:
    """A deployment as people name it."""
    return f"{found['flow_name']}/{found['name']}"


def flow(api: Api, name: str) -> Found:
    """By name or id."""
    from skylift.cli.client import path

    found: Found = api.get(path("flows", name) if is_id(name) else path("flows", "name", name))
    return found


def flow_run(api: Api, name: str) -> Found:
    """By id, or by a name that only one run has."""
    from skylift.cli.client import path

    if is_id(name):
        found: Found = api.get(path("flow_runs", name))
        return found
    named = api.every("/flow_runs/filter", {"flow_runs": {"name": {"any_": [name]}}}, limit=5)
    if not named:
        raise click.ClickException(f"There is no flow run with the id or name {name!r}")
    if len(named) > 1:
        ids = ", ".join(each["id"] for each in named)
        raise click.ClickException(f"Several flow runs are named {name!r}: say which by its id ({ids})")
    one: Found = named[0]
    return one


def deployment_names(api: Api, runs: list[Found]) -> dict[str, str]:
    """`FLOW/NAME` of the deployments of these runs, by id."""
    ids = sorted({run["deployment_id"] for run in runs if run["deployment_id"]})
    if not ids:
        return {}
    found = api.every("/deployments/filter", {"deployments": {"id": {"any_": ids}}})
    return {each["id"]: full_name(each) for each in found}
