"""`skylift work-pool provision-infra`, `infra` and `destroy-infra`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from skylift.cli.base import Command
from skylift.cli.infra_answers import answer_options, answers_for, given_answers
from skylift.cli.options import JSON, connect, output_option, tell, yes_option

if TYPE_CHECKING:
    from skylift.cli.client import Api


dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would be made, and make nothing.")
canary_option = click.option(
    "--canary/--no-canary",
    default=None,
    help="Push a first run through the pool at the end; default: if runs can reach the API.",
)
docker_login_option = click.option(
    "--docker-login/--no-docker-login",
    default=None,
    help="Log docker in to the pool's registry and tell Prefect of it; default: on a terminal it asks.",
)
names_option = click.option("--choose-names", is_flag=True, help="Ask for the names of what is made, too.")


def plan_and_make(
    api: Api,
    name: str,
    type_: str,
    make_pool: Any,
    given: dict[str, Any],
    *,
    yes: bool,
    dry_run: bool,
    choose_names: bool,
    canary: bool | None,
    docker_login: bool | None,
    output: str,
) -> dict[str, Any] | None:
    """Plan, show, ask, make. `make_pool()` gives the pool once it is wanted. None: nothing was changed."""
    from skylift.cli import provisioning
    from skylift.cli.canary import run_canary
    from skylift.cli.client import path
    from skylift.cli.registry_login import ensure_possible, hand_over_registry

    provisioner = provisioning.provisioner_of(type_)
    ensure_possible(provisioner.registry_login, docker_login, type_)
    known = provisioning.find_record(api, name).get("answers", {})
    with provisioning.in_words():
        answers = answers_for(provisioner, known | given, ask_names=choose_names)
    infrastructure = provisioning.open_infrastructure(api, provisioner, name, answers)
    plan = provisioning.planned(infrastructure)
    if dry_run or output != JSON:
        provisioning.show_plan(name, plan, infrastructure.pool_changes, output)
    if dry_run or not provisioning.ask_to_proceed("Proceed with infrastructure provisioning?", yes=yes):
        return None
    pool: dict[str, Any] = make_pool()
    handover = provisioning.provision(api, provisioner, pool, infrastructure, plan, output)
    if output != JSON:
        click.echo("Infrastructure successfully provisioned!")
    if pool.pop("is_new", False):
        api.patch(path("work_pools", name), {"is_paused": pool.pop("wanted_paused", False)})
    hand_over_registry(handover, provisioner.registry_login, wanted=docker_login, yes=yes, quiet=output == JSON)
    for note in handover.notes if output != JSON else ():
        click.echo(f"\n{note}")
    run_canary(api, name, wanted=canary, output=output)
    made: dict[str, Any] = api.get(path("work_pools", name))
    return made


@click.command(
    "provision-infra",
    cls=Command,
    examples=[
        "skylift work-pool provision-infra nightly",
        "skylift work-pool provision-infra nightly --dry-run -o json",
        "skylift work-pool provision-infra nightly --region eu-central-1 --yes",
    ],
)
@click.argument("name")
@answer_options
@names_option
@dry_run_option
@canary_option
@docker_login_option
@yes_option
@output_option
def provision_infra(
    name: str,
    dry_run: bool,
    choose_names: bool,
    canary: bool | None,
    docker_login: bool | None,
    yes: bool,
    output: str,
    **flags: Any,
) -> None:
    """Make what a push pool needs in the cloud, or mend what of it has changed."""
    from skylift.cli.client import path

    with connect() as api:
        pool = api.get(path("work_pools", name))
        made = plan_and_make(
            api,
            name,
            pool["type"],
            lambda: pool,
            given_answers(flags),
            yes=yes,
            dry_run=dry_run,
            choose_names=choose_names,
            canary=canary,
            docker_login=docker_login,
            output=output,
        )
    if made:
        tell(output, made, f"The infrastructure of work pool '{name}' is there")


@click.command(
    "infra", cls=Command, examples=["skylift work-pool infra nightly", "skylift work-pool infra nightly -o json"]
)
@click.argument("name")
@output_option
def infra(name: str, output: str) -> None:
    """Show what was made for a pool, what of it has changed since, and what it costs while nothing runs. The console
    shows it from then on, too. Exits 1 where something is missing or has changed."""
    from skylift.cli import provisioning
    from skylift.cli.output import print_json, print_table

    with connect() as api:
        known = provisioning.recorded(api, name)
        provisioner = provisioning.provisioner_of(known["type"])
        plan = provisioning.planned(provisioning.open_infrastructure(api, provisioner, name, known["answers"]))
        provisioning.report(api, name, plan)
    if output == JSON:
        print_json(plan.as_json())
    else:
        words = {"nothing": "there", "adopt": "there, not ours", "create": "missing", "update": "changed"}
        print_table(
            ["What", "Name", "State", "Changed", "Cost While Idle"],
            [
                [each.kind, each.name, words[each.action], "; ".join(each.why), each.idle_cost or "none"]
                for each in plan.steps
            ],
            title=f"Infrastructure of work pool '{name}' in {plan.place}",
        )
    if plan.changes:
        raise SystemExit(1)


@click.command("destroy-infra", cls=Command, examples=["skylift work-pool destroy-infra nightly --yes"])
@click.argument("name")
@dry_run_option
@yes_option
@output_option
def destroy_infra(name: str, dry_run: bool, yes: bool, output: str) -> None:
    """Remove what was made in the cloud for a pool, and nothing else; the pool is paused."""
    from skylift.cli import provisioning

    with connect() as api:
        known = provisioning.recorded(api, name)
        provisioner = provisioning.provisioner_of(known["type"])
        infrastructure = provisioning.open_infrastructure(api, provisioner, name, known["answers"])
        with provisioning.in_words():
            plan = infrastructure.removal()
        if dry_run or output != JSON:
            provisioning.show_removal(name, plan, output)
        if dry_run or not provisioning.ask_to_proceed(f"Remove the infrastructure of work pool '{name}'?", yes=yes):
            return
        provisioning.destroy(api, name, known, infrastructure, plan, output)
    tell(output, plan.as_json(), f"Removed the infrastructure of work pool '{name}'")
