"""The table of `flow-run explain`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from skylift.cli.output import clean, instant, lasting, print_table, to_the_millisecond

FAILED = ("FAILED", "CRASHED")
BETWEEN = ("created", "scheduled")
"""Kinds of lines that belong to no attempt. Other states are those of the attempt before them."""


def print_explanation(story: dict[str, Any]) -> None:
    """What happened when; below it what the run waits for, and what to do about its failure."""
    run, lines, deployment = story["flow_run"], story["timeline"], story["deployment"]
    of = f" of {story['flow']['name']}/{deployment['name']}" if deployment else ""
    print_table(
        ["Time (UTC)", "Attempt", "Since Its Start", "Took", "What", "How"],
        rows(lines),
        title=f"Flow run '{run['name']}'{of}: {run['state_name']} ({lines[0]['at'][:10]})" if lines else None,
    )
    for label, text in conclusions(story):
        click.echo(f"\n{label}: {clean(text)}")


def rows(lines: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The cells of the table. An attempt starts with the first line that names it; a phase lasts until the next."""
    attempts: dict[str, tuple[int, datetime]] = {}
    own: tuple[int, datetime] | None = None
    one_day = len({_at(line).date() for line in lines}) == 1
    found = []
    for number, line in enumerate(lines):
        at = _at(line)
        if line["attempt_id"]:
            own = attempts.setdefault(line["attempt_id"], (len(attempts) + 1, at))
        elif line["kind"] in BETWEEN:
            own = None
        following = _at(lines[number + 1]) if number + 1 < len(lines) else None
        found.append(
            [
                _clock(line["at"], with_date=not one_day),
                str(own[0]) if own else "",
                f"+{lasting((at - own[1]).total_seconds())}" if own else "",
                lasting((following - at).total_seconds()) if following else "",
                line["kind"],
                line["message"],
            ]
        )
    return found


def _clock(value: str, *, with_date: bool) -> str:
    date, _, clock = to_the_millisecond(value).partition(" ")
    return f"{date} {clock}" if with_date else clock


def _at(line: dict[str, Any]) -> datetime:
    at = instant(line["at"])
    assert at  # noqa: S101 - every line of a timeline has its time
    return at


def conclusions(story: dict[str, Any]) -> list[tuple[str, str]]:
    """What follows from the story, each with its label."""
    run, waiting = story["flow_run"], story["waiting"]
    found = [("Waiting for", waiting["message"])] if waiting else []
    if run["state_type"] in FAILED:
        if story["why"]:
            found.append(("Why", story["why"]))
        found.append(("What to do", story["remedy"] or _remedy(run)))
    return found + [(f"See ({what})", url) for what, url in story["links"].items()]


def _remedy(run: dict[str, Any]) -> str:
    again = f"`skylift flow-run retry {run['id']}`"
    if run["state_type"] == "FAILED":
        logs = f"`skylift flow-run logs {run['id']}`"
        return f"read its logs ({logs}), correct the code or its parameters, then {again}"
    return f"its infrastructure was lost or never started: read the lines above, then {again}"
