"""What an hour costs in which nothing is due: the timer's ticks, one short transaction each, and nothing else."""

from __future__ import annotations

import pytest

from tests.functions.gcp.idle import idle_hour
from tests.functions.idle import TICKS


@pytest.mark.parametrize(("pools", "deployments"), [(1, 1), pytest.param(20, 3, marks=pytest.mark.long)])
def test_an_idle_hour_takes_twelve_invocations_and_twelve_transactions(
    pools: int, deployments: int, postgres_url: str
) -> None:
    hour = idle_hour(postgres_url, pools=pools, deployments=deployments)
    assert (hour.invocations, hour.transactions) == (TICKS, TICKS)
