"""A first run through a new pool, so that what does not work shows now and not tonight."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from skylift.cli.client import path
from skylift.cli.options import JSON

if TYPE_CHECKING:
    from skylift.cli.client import Api

PATIENCE = 600.0
LOOK_EVERY = 1.0
OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
COMMAND = "python -c \"print('Hello from your work pool')\""


def run_canary(api: Api, pool: str, *, wanted: bool | None, output: str) -> None:
    """Push it and show its story. Raises `ClickException` where it does not end Completed."""
    if wanted is False:
        return
    reason = _cannot(api)
    if reason and wanted is None:
        click.echo(f"\nNo first run was pushed: {reason}", err=True)
        return
    click.echo("\nPushing a first run through the pool…", err=True)
    flow = api.post("/flows/", {"name": "skylift-canary"})
    deployment = {
        "name": f"canary-{pool}",
        "flow_id": flow["id"],
        "work_pool_name": pool,
        "engine": "command",
        "job_variables": {"command": COMMAND},
    }
    made = api.post("/deployments/", deployment)
    try:
        run = api.post(path("deployments", made["id"], "create_flow_run"), {})
        _follow(api, run["id"], output)
    finally:
        api.delete(path("deployments", made["id"]))


def _cannot(api: Api) -> str | None:
    if api.embedded:
        return "nothing is served here that would push it; start `skylift serve`"
    where = api.get("/skylift/installation")["api_url"]
    if (urlsplit(where).hostname or "").startswith(("127.", "localhost", "::1")):
        return f"runs in a cloud cannot reach {where}; set SKYLIFT_API_URL to where they can, or say --canary"
    return None


def _follow(api: Api, run_id: str, output: str) -> None:
    from skylift.cli.explanation import print_explanation

    until = time.monotonic() + PATIENCE
    while (run := _read(api, run_id))["state_type"] not in OVER and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
    if output != JSON:
        print_explanation(api.get(path("skylift", "flow_runs", run_id, "explain")))
    if run["state_type"] != "COMPLETED":
        raise click.ClickException(
            f"The first run ended {run['state_name']}: {run['state'].get('message') or 'without a reason'}. "
            "The infrastructure stays; correct what is wrong, then run `skylift work-pool provision-infra` again"
        )


def _read(api: Api, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = api.get(path("flow_runs", run_id))
    return run
