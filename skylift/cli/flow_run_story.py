"""`skylift flow-run logs` and `explain`: what a run said, and what happened to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from skylift.cli.base import Command
from skylift.cli.options import JSON, connect, output_option

if TYPE_CHECKING:
    from skylift.cli.client import Api

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


@click.command(
    cls=Command,
    examples=["skylift flow-run logs brave-otter", "skylift flow-run logs brave-otter --follow --level WARNING"],
)
@click.argument("run")
@click.option("--follow", "-f", is_flag=True, help="Go on until the run has ended.")
@click.option("--level", type=click.Choice(list(LEVELS), case_sensitive=False), help="Only this level and above.")
@output_option
def logs(run: str, follow: bool, level: str | None, output: str) -> None:
    """Print a run's logs. As JSON it is a list, and with --follow an object a line."""
    from skylift.cli import lookup
    from skylift.cli.output import print_json

    least = LEVELS[level.upper()] if level else 0
    with connect() as api:
        found = lookup.flow_run(api, run)
        if follow:
            for line in _followed(api, found["id"], least):
                _print(line, output)
            return
        where = {"flow_run_id": {"any_": [found["id"]]}, "level": {"ge_": least}}
        lines = api.every("/logs/filter", {"logs": where, "sort": "TIMESTAMP_ASC"})
    if output == JSON:
        print_json(lines)
        return
    for line in lines:
        _print(line, output)


def _print(line: dict[str, Any], output: str) -> None:
    from skylift.cli.output import as_json, say, to_the_millisecond

    if output == JSON:
        click.echo(as_json(line))
        return
    level = next((name for name, number in LEVELS.items() if number >= line["level"]), "CRITICAL")
    say(f"{to_the_millisecond(line['timestamp'])} | {level:8} | {line['message']}")


def _followed(api: Api, run_id: str, level: int) -> Iterator[dict[str, Any]]:
    """Each line as it comes in, until the run is over."""
    from skylift.cli.client import path
    from skylift.cli.watch import EVERY

    cursor = ""
    while True:
        page = api.get(path("skylift", "flow_runs", run_id, "logs"), after=cursor, level=level)
        yield from page["lines"]
        if page["done"]:
            return
        cursor = page["cursor"]
        if not page["more"]:
            time.sleep(EVERY)


@click.command(
    cls=Command, examples=["skylift flow-run explain brave-otter", "skylift flow-run explain brave-otter -o json"]
)
@click.argument("run")
@output_option
def explain(run: str, output: str) -> None:
    """Tell what happened to a run, how long each phase took, what it waits for, and what to do about a failure."""
    from skylift.cli import lookup
    from skylift.cli.client import path
    from skylift.cli.explanation import print_explanation
    from skylift.cli.output import print_json

    with connect() as api:
        found = lookup.flow_run(api, run)
        story = api.get(path("skylift", "flow_runs", found["id"], "explain"))
    if output == JSON:
        print_json(story)
    else:
        print_explanation(story)
