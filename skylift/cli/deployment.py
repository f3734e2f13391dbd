"""`skylift deployment`."""

from __future__ import annotations

from typing import Any

import click

from skylift.cli.base import Group
from skylift.cli.deployment_run import run
from skylift.cli.deployment_schedule import schedule
from skylift.cli.options import JSON, confirm, connect, output_option, tell, yes_option

NAME = "deployment"


@click.group(
    cls=Group, examples=["skylift deployment ls", "skylift deployment run greet/by-hand --param name=Ada --watch"]
)
def deployment() -> None:
    """Deployments: a flow with where, when and how it runs. They are named FLOW/NAME."""


deployment.add_command(run)
deployment.add_command(schedule)


@deployment.command(examples=["skylift deployment ls", "skylift deployment ls --pool local -o json"])
@click.option("--flow", metavar="NAME", help="Only of this flow.")
@click.option("--pool", metavar="NAME", help="Only of this work pool.")
@output_option
def ls(flow: str | None, pool: str | None, output: str) -> None:
    """List deployments."""
    from skylift.cli.lookup import full_name
    from skylift.cli.output import print_json, print_table

    filters: dict[str, Any] = {}
    if flow:
        filters["flows"] = {"name": {"any_": [flow]}}
    if pool:
        filters["work_pools"] = {"name": {"any_": [pool]}}
    with connect() as api:
        found = api.every("/deployments/filter", filters)
    if output == JSON:
        print_json(found)
        return
    print_table(
        ["Name", "Status", "Work Pool", "Queue", "Schedules", "ID"],
        [
            [
                full_name(each),
                "PAUSED" if each["paused"] else each["status"],
                each["work_pool_name"],
                each["work_queue_name"],
                _schedules(each),
                each["id"],
            ]
            for each in sorted(found, key=full_name)
        ],
        title="Deployments",
        empty="There are no deployments: make some with `skylift deploy`",
    )


def _schedules(found: dict[str, Any]) -> str:
    from skylift.cli.deployment_schedule import describe

    return "\n".join(describe(each["schedule"]) for each in found["schedules"] if each["active"])


@deployment.command("inspect", examples=["skylift deployment inspect greet/by-hand"])
@click.argument(NAME)
@output_option
def inspect_(deployment: str, output: str) -> None:
    """Show everything about a deployment."""
    from skylift.cli import lookup
    from skylift.cli.output import print_json, print_object

    with connect() as api:
        found = lookup.deployment(api, deployment)
    if output == JSON:
        print_json(found)
    else:
        print_object(found, title=f"Deployment '{lookup.full_name(found)}'")


def _switch(name: str, route: str, output: str, message: str) -> None:
    from skylift.cli import lookup
    from skylift.cli.client import path

    with connect() as api:
        found = lookup.deployment(api, name)
        api.post(path("deployments", found["id"], route))
        found = api.get(path("deployments", found["id"]))
    tell(output, found, f"{message} '{lookup.full_name(found)}'")


@deployment.command(examples=["skylift deployment pause greet/by-hand"])
@click.argument(NAME)
@output_option
def pause(deployment: str, output: str) -> None:
    """Stop all schedules of a deployment; runs that are still to come are taken back."""
    _switch(deployment, "pause_deployment", output, "Paused deployment")


@deployment.command(examples=["skylift deployment resume greet/by-hand"])
@click.argument(NAME)
@output_option
def resume(deployment: str, output: str) -> None:
    """Let the schedules of a deployment go on from now."""
    _switch(deployment, "resume_deployment", output, "Resumed deployment")


@deployment.command(examples=["skylift deployment delete greet/by-hand --yes"])
@click.argument(NAME)
@yes_option
@output_option
def delete(deployment: str, yes: bool, output: str) -> None:
    """Delete a deployment with its schedules and the runs that never started."""
    from skylift.cli import lookup
    from skylift.cli.client import path

    with connect() as api:
        found = lookup.deployment(api, deployment)
        name = lookup.full_name(found)
        confirm(f"Delete deployment '{name}' with its schedules and waiting runs?", yes=yes)
        api.delete(path("deployments", found["id"]))
    tell(output, {"deleted": found["id"]}, f"Deleted deployment '{name}'")


@deployment.command(examples=["skylift deployment slots greet/every-few-seconds --limit 20"])
@click.argument(NAME)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many, newest first.")
@output_option
def slots(deployment: str, limit: int, output: str) -> None:
    """Show which slots of its schedules became runs, and which were skipped and why."""
    from skylift.cli import lookup
    from skylift.cli.client import path
    from skylift.cli.output import print_json, print_table

    with connect() as api:
        found = lookup.deployment(api, deployment)
        ledger = api.get(path("skylift", "deployments", found["id"], "slots"), limit=limit)
    if output == JSON:
        print_json(ledger)
        return
    print_table(
        ["Slot (UTC)", "Schedule", "Run ID", "State", "Skipped"],
        [_slot_row(each) for each in ledger["lines"]],
        title=f"Slots of '{lookup.full_name(found)}'",
        empty="No slot has been made yet.",
    )


def _slot_row(line: dict[str, Any]) -> list[Any]:
    from skylift.cli.output import when

    run = line["flow_run"] or {"id": None, "state_name": None}
    return [when(line["slot"]), line["schedule"], run["id"], run["state_name"], line["reason"]]
