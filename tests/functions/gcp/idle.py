"""An idle hour of the functions on Google Cloud."""

from __future__ import annotations

from tests.functions import idle
from tests.functions.gcp.bench import Bench


def idle_hour(url: str, *, pools: int, deployments: int) -> idle.Hour:
    return idle.idle_hour(url, Bench, _tick, pools=pools, deployments=deployments)


def _tick(bench: Bench) -> None:
    assert bench.call("schedule").status_code == 204
