"""`skylift work-pool create`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from skylift.cli.base import Command
from skylift.cli.infra_answers import answer_options, given_answers
from skylift.cli.options import connect, json_file, limit_type, on_terminal, output_option, tell, yes_option
from skylift.cli.work_pool_infra import canary_option, docker_login_option, dry_run_option, names_option, plan_and_make

if TYPE_CHECKING:
    from skylift.cli.client import Api


def types_served(api: Api) -> dict[str, dict[str, Any]]:
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


def check_type(type_: str, served: dict[str, dict[str, Any]]) -> None:
    """A misspelt push type would make a pool that never starts anything."""
    if not type_.endswith((":push", ":managed")):
        click.echo(f"Note: nothing is pushed to pools of type {type_!r}: its runs wait for workers that pull", err=True)
    elif type_ not in served:
        known = ", ".join(sorted(served))
        raise click.ClickException(f"No provider for work pools of type {type_!r} is installed; there are: {known}")


@click.command(
    cls=Command,
    examples=[
        "skylift work-pool create local --type process:push",
        "skylift work-pool create batch -t process:push --concurrency-limit 5 --paused",
        "skylift work-pool create strict -t process:push --base-job-template template.json --overwrite",
        "skylift work-pool create --type ecs:push --provision-infra my-pool",
    ],
)
@click.argument("name")
@click.option("--type", "-t", "type_", metavar="TYPE", help="What runs are pushed to, such as process:push.")
@click.option("--paused", is_flag=True, help="Create it paused.")
@click.option("--set-as-default", is_flag=True, help="Use it for deployments that name no pool.")
@click.option("--base-job-template", metavar="FILE", help="JSON file; default: the type's own template.")
@click.option("--concurrency-limit", type=limit_type(), help="How many runs may occupy it at once.")
@click.option("--description", help="What it is for.")
@click.option("--overwrite", is_flag=True, help="Change the pool of this name if there is one.")
@click.option(
    "--provision-infra",
    "--provision-infrastructure",
    is_flag=True,
    help="Make what it needs in the cloud, after showing it.",
)
@answer_options
@names_option
@dry_run_option
@canary_option
@docker_login_option
@yes_option
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
    choose_names: bool,
    dry_run: bool,
    canary: bool | None,
    docker_login: bool | None,
    yes: bool,
    output: str,
    **flags: Any,
) -> None:
    """Create a work pool; with --provision-infra also what it needs in the cloud."""
    template = json_file(base_job_template, "The base job template")
    answers = given_answers(flags)
    if not provision_infra and (answers or dry_run or choose_names or docker_login):
        raise click.UsageError(
            "--dry-run, --choose-names, --docker-login and what tells where to provision need --provision-infra"
        )
    with connect() as api:
        served = types_served(api)
        known = find(api, name) if overwrite or provision_infra else None
        wanted = type_ or (known["type"] if known else _choose_type(served))
        check_type(wanted, served)
        check_known(known, name, wanted)
        values = {
            "description": description,
            "base_job_template": template,
            "concurrency_limit": concurrency_limit,
            "is_paused": paused or None,
        }
        given = {key: value for key, value in values.items() if value is not None}
        pool: dict[str, Any] | None
        if provision_infra:
            pool = plan_and_make(
                api,
                name,
                wanted,
                _maker(api, known, name, wanted, given),
                answers,
                yes=yes,
                dry_run=dry_run,
                choose_names=choose_names,
                canary=canary,
                docker_login=docker_login,
                output=output,
            )
        else:
            pool = _put(api, known, name, wanted, given)
    if not pool:
        return
    if set_as_default:
        from skylift.cli.profile import set_default_pool

        set_default_pool(name)
    done = "Updated" if known else "Created"
    note = "; deployments that name no pool go there" if set_as_default else ""
    tell(output, pool, f"{done} work pool '{name}' of type {wanted} ({pool['status']}){note}")


def _maker(
    api: Api, known: dict[str, Any] | None, name: str, type_: str, given: dict[str, Any]
) -> Callable[[], dict[str, Any]]:
    """Makes the pool when it is wanted: paused until everything is there, so that nothing is pushed too early."""

    def make() -> dict[str, Any]:
        if known:
            return _put(api, known, name, type_, given)
        made = _put(api, None, name, type_, given | {"is_paused": True})
        return made | {"is_new": True, "wanted_paused": bool(given.get("is_paused"))}

    return make


def check_known(known: dict[str, Any] | None, name: str, wanted: str) -> None:
    if known and known["type"] != wanted:
        raise click.ClickException(
            f"Work pool {name!r} is of type {known['type']!r}, which cannot be changed: delete it first"
        )


def _put(api: Api, known: dict[str, Any] | None, name: str, type_: str, values: dict[str, Any]) -> dict[str, Any]:
    """Make the pool, or change the one that is there."""
    from skylift.cli.client import path

    if not known:
        made: dict[str, Any] = api.post("/work_pools/", {"name": name, "type": type_, **values})
        return made
    if values:
        api.patch(path("work_pools", name), values)
    changed: dict[str, Any] = api.get(path("work_pools", name))
    return changed


def find(api: Api, name: str) -> dict[str, Any] | None:
    found = api.post("/work_pools/filter", {"work_pools": {"name": {"any_": [name]}}})
    return found[0] if found else None
