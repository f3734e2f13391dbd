"""`skylift work-pool ls`, `inspect`, `preview`, `slots` and `check`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from skylift.cli.base import Command
from skylift.cli.options import JSON, connect, output_option


@click.command(
    cls=Command, examples=["skylift work-pool ls", "skylift work-pool ls -v", "skylift work-pool ls -o json"]
)
@click.option("--verbose", "-v", is_flag=True, help="Also descriptions, and the variables of the templates.")
@output_option
def ls(verbose: bool, output: str) -> None:
    """List work pools."""
    from skylift.cli.output import print_json, print_table

    with connect() as api:
        pools = api.every("/work_pools/filter")
    if output == JSON:
        print_json(pools)
        return
    columns = ["Name", "Type", "Status", "ID", "Concurrency Limit"]
    print_table(
        [*columns, "Description", "Job Variables"] if verbose else columns,
        [_row(pool) + (_more(pool) if verbose else []) for pool in pools],
        title="Work pools",
        caption="(**) denotes a paused pool",
        empty="There are no work pools: make one with `skylift work-pool create NAME`",
    )


def _row(pool: dict[str, Any]) -> list[Any]:
    name = f"{pool['name']} (**)" if pool["is_paused"] else pool["name"]
    return [name, pool["type"], pool["status"], pool["id"], _limit(pool["concurrency_limit"])]


def _limit(value: int | None) -> str:
    return "None" if value is None else str(value)


def _more(pool: dict[str, Any]) -> list[Any]:
    variables = pool["base_job_template"].get("variables", {}).get("properties", {})
    return [pool["description"], ", ".join(variables)]


@click.command(
    "inspect", cls=Command, examples=["skylift work-pool inspect local", "skylift work-pool inspect local -o json"]
)
@click.argument("name")
@output_option
def inspect_(name: str, output: str) -> None:
    """Show everything about a pool."""
    from skylift.cli.client import path
    from skylift.cli.output import print_json, print_object

    with connect() as api:
        pool = api.get(path("work_pools", name))
    if output == JSON:
        print_json(pool)
    else:
        print_object(pool, title=f"Work pool '{name}'")


@click.command(cls=Command, examples=["skylift work-pool preview local", "skylift work-pool preview local --hours 12"])
@click.argument("name")
@click.option(
    "--hours", type=click.FloatRange(min=0, max=24 * 366), default=1, show_default=True, help="How far ahead."
)
@output_option
def preview(name: str, hours: float, output: str) -> None:
    """Show the runs that are scheduled in a pool, those that are late among them."""
    from skylift.cli.client import path
    from skylift.cli.output import print_json

    now = datetime.now(UTC)
    with connect() as api:
        api.get(path("work_pools", name))
        runs = api.every("/flow_runs/filter", scheduled({"work_pools": {"name": {"any_": [name]}}}, now, hours))
    if output == JSON:
        print_json(runs)
    else:
        print_preview(runs, now, f"Scheduled in work pool '{name}' within {hours:g} h")


def scheduled(where: dict[str, Any], now: datetime, hours: float) -> dict[str, Any]:
    """The filter for runs that wait for a time before `hours` from now."""
    return {
        **where,
        "flow_runs": {
            "state": {"type": {"any_": ["SCHEDULED"]}},
            "next_scheduled_start_time": {"before_": (now + timedelta(hours=hours)).isoformat()},
        },
        "sort": "NEXT_SCHEDULED_START_TIME_ASC",
    }


def print_preview(runs: list[dict[str, Any]], now: datetime, title: str) -> None:
    """The latest first, so that what comes next is at the bottom, where the prompt is."""
    from skylift.cli.output import instant, print_table, when

    def start(run: dict[str, Any]) -> str:
        at = run["next_scheduled_start_time"]
        is_late = run["state_name"] == "Late" or (instant(at) or now) < now - timedelta(seconds=15)
        return f"{when(at)} (**)" if is_late else when(at)

    print_table(
        ["Scheduled Start (UTC)", "Run ID", "Name", "Deployment ID"],
        [[start(run), run["id"], run["name"], run["deployment_id"]] for run in reversed(runs)],
        title=title,
        caption="(**) denotes a late run",
        empty="Nothing is scheduled in that time.",
    )


@click.command(cls=Command, examples=["skylift work-pool slots local"])
@click.argument("name")
@output_option
def slots(name: str, output: str) -> None:
    """Show who occupies the pool's slots."""
    from skylift.cli.client import path
    from skylift.cli.output import ago, print_json, print_table

    with connect() as api:
        found = api.get(path("skylift", "work_pools", name, "slots"))
    if output == JSON:
        print_json(found)
        return
    print_table(
        ["Flow Run", "Run ID", "Queue", "Phase", "Since", "Stopping", "Handle"],
        [
            [
                each["flow_run_name"],
                each["flow_run_id"],
                each["work_queue_name"],
                each["phase"],
                ago(each["since"]),
                each["stopping"],
                each["handle"],
            ]
            for each in found["slots"]
        ],
        title=f"Slots of work pool '{name}': {found['occupied']} of {_limit(found['concurrency_limit'])} occupied",
        empty=f"No slot of work pool '{name}' is occupied.",
    )


@click.command(cls=Command, examples=["skylift work-pool check local", "skylift work-pool check local -o json"])
@click.argument("name")
@output_option
def check(name: str, output: str) -> None:
    """Tell whether runs of a pool would start; changes nothing. Exits 1 where something is wrong."""
    from skylift.cli.client import path
    from skylift.cli.output import print_json, print_table

    with connect() as api:
        findings = api.get(path("work_pools", name, "check"))
    if output == JSON:
        print_json(findings)
    else:
        rows = [[each["what"], each["verdict"], each["message"], each["remedy"]] for each in findings]
        print_table(["What", "Verdict", "Found", "What To Do"], rows, title=f"Work pool '{name}'")
    if any(each["verdict"] == "failed" for each in findings):
        raise SystemExit(1)
