"""What an hour costs in which nothing is due: the timer's ticks, one short transaction each, and nothing else."""

from __future__ import annotations

import pytest

from tests.functions.azure.bench import Bench
from tests.functions.idle import TICKS, idle_hour


@pytest.mark.parametrize(("pools", "deployments"), [(1, 1), (20, 3)])
def test_an_idle_hour_takes_twelve_invocations_and_twelve_transactions(
    pools: int, deployments: int, postgres_url: str
) -> None:
    hour = idle_hour(postgres_url, Bench, Bench.tick, pools=pools, deployments=deployments)
    print(f"{pools * deployments} deployments: {hour}")
    assert hour.invocations == TICKS
    assert hour.transactions == TICKS
