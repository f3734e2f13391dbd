"""`skylift work-pool`: change and delete pools. Creating, looking and provisioning have modules of their own."""

from __future__ import annotations

from typing import Any

import click

from skylift.cli.base import Group
from skylift.cli.options import (
    JSON,
    confirm,
    connect,
    json_file,
    limit_type,
    output_option,
    tell,
    yes_option,
)
from skylift.cli.work_pool_create import create, types_served
from skylift.cli.work_pool_infra import destroy_infra, infra, provision_infra
from skylift.cli.work_pool_register import register
from skylift.cli.work_pool_views import check, inspect_, ls, preview, slots


@click.group(cls=Group, examples=["skylift work-pool create local --type process:push", "skylift work-pool ls"])
def work_pool() -> None:
    """Work pools: where runs are pushed to, how many at a time, and what may be set."""


for _command in (create, ls, inspect_, preview, slots, check, provision_infra, infra, destroy_infra, register):
    work_pool.add_command(_command)


def _change(name: str, values: dict[str, Any], output: str, message: str) -> None:
    from skylift.cli.client import path

    with connect() as api:
        api.patch(path("work_pools", name), values)
        pool = api.get(path("work_pools", name))
    tell(output, pool, message.format(**pool))


@work_pool.command(examples=["skylift work-pool pause local"])
@click.argument("name")
@output_option
def pause(name: str, output: str) -> None:
    """Hold a pool's runs back; schedules go on, and nothing is lost."""
    _change(name, {"is_paused": True}, output, "Paused work pool '{name}': its runs wait until it is resumed")


@work_pool.command(examples=["skylift work-pool resume local"])
@click.argument("name")
@output_option
def resume(name: str, output: str) -> None:
    """Let a paused pool's runs start."""
    _change(name, {"is_paused": False}, output, "Resumed work pool '{name}' ({status})")


@work_pool.command(
    examples=[
        "skylift work-pool update local --concurrency-limit 5",
        "skylift work-pool update local --base-job-template template.json",
    ]
)
@click.argument("name")
@click.option("--base-job-template", metavar="FILE", help="JSON file with the new template.")
@click.option("--concurrency-limit", type=limit_type(), help="How many runs may occupy it at once.")
@click.option("--description", help="What it is for.")
@click.option("--set-as-default", is_flag=True, help="Use it for deployments that name no pool.")
@output_option
def update(
    name: str,
    base_job_template: str | None,
    concurrency_limit: int | None,
    description: str | None,
    set_as_default: bool,
    output: str,
) -> None:
    """Change a work pool; what is not given stays."""
    values = {
        "base_job_template": json_file(base_job_template, "The base job template"),
        "concurrency_limit": concurrency_limit,
        "description": description,
    }
    given = {key: value for key, value in values.items() if value is not None}
    if not given and not set_as_default:
        raise click.UsageError("Nothing to change: give --base-job-template, --concurrency-limit or --description")
    _change(name, given, output, "Updated work pool '{name}'")
    if set_as_default:
        from skylift.cli.profile import set_default_pool

        set_default_pool(name)


@work_pool.command(examples=["skylift work-pool delete local --yes"])
@click.argument("name")
@yes_option
@output_option
def delete(name: str, yes: bool, output: str) -> None:
    """Delete a pool with its queues; what runs in it is stopped."""
    from skylift.cli.client import path

    with connect() as api:
        pool = api.get(path("work_pools", name))
        confirm(f"Delete work pool '{name}', its queues, and stop what runs in it?", yes=yes)
        api.delete(path("work_pools", name))
    tell(output, {"deleted": pool["id"]}, f"Deleted work pool '{name}'")


@work_pool.command("set-concurrency-limit", examples=["skylift work-pool set-concurrency-limit local 5"])
@click.argument("name")
@click.argument("limit", type=limit_type())
@output_option
def set_concurrency_limit(name: str, limit: int, output: str) -> None:
    """Let at most LIMIT runs occupy the pool at once."""
    message = "Work pool '{name}' has a concurrency limit of {concurrency_limit}"
    _change(name, {"concurrency_limit": limit}, output, message)


@work_pool.command("clear-concurrency-limit", examples=["skylift work-pool clear-concurrency-limit local"])
@click.argument("name")
@output_option
def clear_concurrency_limit(name: str, output: str) -> None:
    """Let any number of runs occupy the pool."""
    _change(name, {"concurrency_limit": None}, output, "Work pool '{name}' has no concurrency limit")


@work_pool.command(
    "get-default-base-job-template",
    examples=[
        "skylift work-pool get-default-base-job-template --type process:push",
        "skylift work-pool get-default-base-job-template -t process:push --file template.json",
    ],
)
@click.option("--type", "-t", "type_", metavar="TYPE", required=True, help="The type of work pool.")
@click.option("--file", "-f", "file", metavar="FILE", help="Write it there instead of printing it.")
@output_option
def get_default_base_job_template(type_: str, file: str | None, output: str) -> None:
    """Print the template that pools of a type begin with, as JSON."""
    from skylift.cli.output import print_json

    with connect() as api:
        served = types_served(api)
    if type_ not in served:
        raise click.ClickException(f"There is no work pool type {type_!r}; there are: {', '.join(sorted(served))}")
    template = served[type_]["default_base_job_configuration"]
    if not file:
        print_json(template)
        return
    _save(file, template)
    if output == JSON:
        print_json({"file": file})
    else:
        click.echo(f"Wrote the template of {type_} to {file}")


def _save(file: str, template: dict[str, Any]) -> None:
    import json
    from pathlib import Path

    try:
        Path(file).write_text(json.dumps(template, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"Cannot write {file}: {error.strerror}") from error
