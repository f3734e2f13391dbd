"""Waiting for a flow run's end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from skylift.cli.output import clean, when

if TYPE_CHECKING:
    from skylift.cli.client import Api

TERMINAL = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
EVERY = 0.5
"""Seconds between two looks."""


def is_over(run: dict[str, Any]) -> bool:
    """Whether the run has ended."""
    return run["state_type"] in TERMINAL


def until_the_end(api: Api, run: dict[str, Any], *, aside: bool) -> dict[str, Any]:
    """Tell each new state (`aside`: on standard error) until the run is over; the run as it is then."""
    from skylift.cli.client import path

    told = None
    while True:
        state = run["state"] or {}
        if state.get("id") != told:
            told = state.get("id")
            message = f": {state['message']}" if state.get("message") else ""
            click.echo(clean(f"{when(state.get('timestamp'))} {run['state_name']}{message}"), err=aside)
        if is_over(run):
            return run
        time.sleep(EVERY)
        run = api.get(path("flow_runs", run["id"]))
