"""An idle hour of the functions on AWS."""

from __future__ import annotations

from tests.functions import idle
from tests.functions.aws.bench import Bench
from tests.functions.aws.world import TICK


def idle_hour(url: str, *, pools: int, deployments: int) -> idle.Hour:
    return idle.idle_hour(url, Bench, lambda bench: bench.call("schedule", TICK), pools=pools, deployments=deployments)
