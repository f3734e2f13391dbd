"""`skylift work-pool`: create and change pools. What only looks is in `work_pool_views`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from skylift.cli.base import Group
from skylift.cli.options import (
    JSON,
    confirm,
    connect,
    json_file,
    limit_type,
    on_terminal,
    output_option,
    tell,
    yes_option,
)
from skylift.cli.work_pool_views import check, inspect_, ls, preview, slots

if TYPE_CHECKING:
    from skylift.cli.client import Api


@click.group(cls=Group, examples=["skylift work-pool create local --type process:push", "skylift work-pool ls"])
def work_pool() -> None:
    """Work pools: where runs are pushed to, how many at a time, and what may be set."""


for _view in (ls, inspect_, preview, slots, check):
    work_pool.add_command(_view)


def _types(api: Api) -> dict[str, dict[str, Any]]:
    served: dict[str, dict[str, Any]] = {}
    for collection in api.get("/collections/views/aggregate-worker-metadata").values():
        served |= collection
    return served


def _choose_type(served: dict[str, dict[str, Any]]) -> str:
    known = ", ".join(sorted(served))
    if not on_terminal():
        raise click.UsageError(f"Missing option '--type' / '-t'; this installation serves: {known}")
    default = "process:push" if "process:push" in served else None
    for name, each in sorted(served.items()):
        click.echo(f"  {name}: {each.get('description') or each.get('display_name', '')}", err=True)
    answer: str = click.prompt("Type", type=click.Choice(sorted(served)), default=default, err=True)
    return answer


def _check_type(type_: str, served: dict[str, dict[str, Any]]) -> None:
    """A misspelt push type would make a pool that never starts anything."""
    if not type_.endswith((":push", ":managed")):
        click.echo(f"Note: nothing is pushed to pools of type {type_!r}: its runs wait for workers that pull", err=True)
    elif type_ not in served:
        known = ", ".join(sorted(served))
        raise click.ClickException(f"No provider for work pools of type {type_!r} is installed; there are: {known}")


@work_pool.command(
    examples=[
        "skylift work-pool create local --type process:push",
        "skylift work-pool create batch -t process:push --concurrency-limit 5 --paused",
        "skylift work-pool create strict -t process:push --base-job-template template.json --overwrite",
    ]
)
@click.argument("name")
@click.option("--type", "-t", "type_", metavar="TYPE", help="What runs are pushed to, such as process:push.")
@click.option("--paused", is_flag=True, help="Create it paused.")
@click.option("--set-as-default", is_flag=True, help="Use it for deployments that name no pool.")
@click.option("--base-job-template", metavar="FILE", help="JSON file; default: the type's own template.")
@click.option("--concurrency-limit", type=limit_type(), help="How many runs may occupy it at once.")
@click.option("--description", help="What it is for.")
@click.option("--overwrite", is_flag=True, help="Change the pool of this name if there is one.")
@click.option("--provision-infra", is_flag=True, help="Make the cloud resources that it needs.")
@output_option
def create(
    name: str,
    type_: str | None,
    paused: bool,
    set_as_default: bool,
    base_job_template: str | None,
    concurrency_limit: int | None,
    description: str | None,
    overwrite: bool,
    provision_infra: bool,
    output: str,
) -> None:
    """Create a work pool."""
    from skylift.cli.client import path

    template = json_file(base_job_template, "The base job template")
    with connect() as api:
        served = _types(api)
        known = _find(api, name) if overwrite else None
        wanted = type_ or (known["type"] if known else _choose_type(served))
        _check_type(wanted, served)
        if provision_infra:
            raise click.ClickException(_no_provisioning(wanted))
        values = {
            "description": description,
            "base_job_template": template,
            "concurrency_limit": concurrency_limit,
            "is_paused": paused or None,
        }
        given = {key: value for key, value in values.items() if value is not None}
        if known:
            if known["type"] != wanted:
                raise click.ClickException(
                    f"Work pool {name!r} is of type {known['type']!r}, which cannot be changed: delete it first"
                )
            if given:
                api.patch(path("work_pools", name), given)
            pool = api.get(path("work_pools", name))
        else:
            pool = api.post("/work_pools/", {"name": name, "type": wanted, **given})
    if set_as_default:
        from skylift.cli.profile import set_default_pool

        set_default_pool(name)
    done = "Updated" if known else "Created"
    note = "; deployments that name no pool go there" if set_as_default else ""
    tell(output, pool, f"{done} work pool '{name}' of type {wanted} ({pool['status']}){note}")


def _find(api: Api, name: str) -> dict[str, Any] | None:
    found = api.post("/work_pools/filter", {"work_pools": {"name": {"any_": [name]}}})
    return found[0] if found else None


def _no_provisioning(type_: str) -> str:
    if type_ == "process:push":
        return "Work pools of type 'process:push' need no infrastructure: leave --provision-infra out"
    return f"Provisioning is not there yet for work pools of type {type_!r}: leave --provision-infra out"


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
        served = _types(api)
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
