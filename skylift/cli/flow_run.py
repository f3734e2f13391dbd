"""`skylift flow-run`: list and change runs. Logs and explanations are in `flow_run_story`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from skylift.cli.base import Group
from skylift.cli.flow_run_story import explain, logs
from skylift.cli.options import JSON, confirm, connect, output_option, tell, yes_option

if TYPE_CHECKING:
    from skylift.cli.client import Api

TYPES = (
    "SCHEDULED",
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "CRASHED",
    "PAUSED",
    "CANCELLING",
)


@click.group(cls=Group, examples=["skylift flow-run ls --state Failed", "skylift flow-run explain brave-otter"])
def flow_run() -> None:
    """Flow runs: what ran, what runs, and why. RUN is an id, or a name that only one run has."""


flow_run.add_command(logs)
flow_run.add_command(explain)


@flow_run.command(
    examples=[
        "skylift flow-run ls",
        "skylift flow-run ls --state Failed --state Crashed --deployment greet/by-hand",
        "skylift flow-run ls --pool local --limit 100 -o json",
    ]
)
@click.option("--state", "-s", "states", multiple=True, help="A state's name (Late) or type (RUNNING).")
@click.option("--deployment", "-d", metavar="FLOW/NAME", help="Only of this deployment.")
@click.option("--flow", metavar="NAME", help="Only of this flow.")
@click.option("--pool", "-p", metavar="NAME", help="Only of this work pool.")
@click.option("--upcoming", is_flag=True, help="Also those whose time has not come.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many, latest first.")
@output_option
def ls(
    states: tuple[str, ...],
    deployment: str | None,
    flow: str | None,
    pool: str | None,
    upcoming: bool,
    limit: int,
    output: str,
) -> None:
    """List flow runs, the latest first."""
    from skylift.cli import lookup
    from skylift.cli.output import print_json

    own = _by_state(states)
    if not states and not upcoming:
        # A moment's grace, for the clocks of two machines.
        own["expected_start_time"] = {"before_": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()}
    filters: dict[str, Any] = {"flow_runs": own, "sort": "EXPECTED_START_TIME_DESC"}
    if flow:
        filters["flows"] = {"name": {"any_": [flow]}}
    if pool:
        filters["work_pools"] = {"name": {"any_": [pool]}}
    with connect() as api:
        if deployment:
            own["deployment_id"] = {"any_": [lookup.deployment(api, deployment)["id"]]}
        runs = api.every("/flow_runs/filter", filters, limit)
        names = lookup.deployment_names(api, runs) if output != JSON else {}
    if output == JSON:
        print_json(runs)
    else:
        _print(runs, names)


def _by_state(states: tuple[str, ...]) -> dict[str, Any]:
    types = [each for each in states if each in TYPES]
    names = [_state_name(each) for each in states if each not in TYPES]
    if types and names:
        raise click.UsageError("Filter by names of states (Failed) or by types (FAILED), not by both")
    if types:
        return {"state": {"type": {"any_": types}}}
    return {"state": {"name": {"any_": names}}} if names else {}


def _state_name(text: str) -> str:
    """A state's name however it is written; clients may have names of their own."""
    from skylift.models.states import NAMES

    return {name.lower(): name for names in NAMES.values() for name in names}.get(text.lower(), text)


def _print(runs: list[dict[str, Any]], names: dict[str, str]) -> None:
    from skylift.cli.output import instant, lasting, print_table, when

    def took(run: dict[str, Any]) -> str:
        start, end = instant(run["start_time"]), instant(run["end_time"])
        return lasting(((end or datetime.now(UTC)) - start).total_seconds()) if start else ""

    print_table(
        ["ID", "Name", "Deployment", "State", "Due (UTC)", "Ran"],
        [
            [
                run["id"],
                run["name"],
                names.get(run["deployment_id"] or "", ""),
                run["state_name"],
                when(run["expected_start_time"]),
                took(run),
            ]
            for run in runs
        ],
        title="Flow runs",
        empty="There are no such flow runs.",
    )


@flow_run.command("inspect", examples=["skylift flow-run inspect brave-otter -o json"])
@click.argument("run")
@output_option
def inspect_(run: str, output: str) -> None:
    """Show everything about a run."""
    from skylift.cli import lookup
    from skylift.cli.output import print_json, print_object

    with connect() as api:
        found = lookup.flow_run(api, run)
    if output == JSON:
        print_json(found)
    else:
        print_object(found, title=f"Flow run '{found['name']}'")


def _propose(api: Api, run: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """The run after a state was proposed. Raises where the answer is no."""
    from skylift.cli.client import path

    answer = api.post(path("flow_runs", run["id"], "set_state"), {"state": state, "force": False})
    accepted = answer["status"] == "ACCEPT" or (answer["state"] and answer["state"]["type"] != run["state_type"])
    if not accepted:
        reason = answer["details"].get("reason") or answer["status"]
        raise click.ClickException(f"Flow run '{run['name']}' stays {run['state_name']}: {reason}")
    found: dict[str, Any] = api.get(path("flow_runs", run["id"]))
    return found


@flow_run.command(examples=["skylift flow-run cancel brave-otter"])
@click.argument("run")
@output_option
def cancel(run: str, output: str) -> None:
    """Cancel a run. One that has started is Cancelling until the provider says that it is gone."""
    from skylift.cli import lookup

    with connect() as api:
        found = lookup.flow_run(api, run)
        if found["state_type"] != "CANCELLING":
            wish = {"type": "CANCELLING", "message": "Cancellation was asked for on the command line"}
            found = _propose(api, found, wish)
    tell(output, found, f"Flow run '{found['name']}' is {found['state_name']}")


@flow_run.command(examples=["skylift flow-run retry brave-otter"])
@click.argument("run")
@output_option
def retry(run: str, output: str) -> None:
    """Run a run of a deployment again that has ended."""
    from skylift.cli import lookup
    from skylift.cli.watch import is_over

    with connect() as api:
        found = lookup.flow_run(api, run)
        if not is_over(found):
            raise click.ClickException(
                f"Flow run '{found['name']}' is {found['state_name']}: only one that has ended can be retried"
            )
        message = "A retry was asked for on the command line"
        found = _propose(api, found, {"type": "SCHEDULED", "name": "AwaitingRetry", "message": message})
    later = ": it starts with the next dispatch" if found["state_type"] == "SCHEDULED" else ""
    tell(output, found, f"Flow run '{found['name']}' is {found['state_name']}{later}")


@flow_run.command(examples=["skylift flow-run delete brave-otter --yes"])
@click.argument("run")
@yes_option
@output_option
def delete(run: str, yes: bool, output: str) -> None:
    """Delete a run with its logs; what runs of it is stopped."""
    from skylift.cli import lookup
    from skylift.cli.client import path

    with connect() as api:
        found = lookup.flow_run(api, run)
        confirm(f"Delete flow run '{found['name']}' ({found['state_name']}) with its logs?", yes=yes)
        api.delete(path("flow_runs", found["id"]))
    tell(output, {"deleted": found["id"]}, f"Deleted flow run '{found['name']}'")
