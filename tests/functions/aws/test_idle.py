"""What an hour costs in which nothing is due: the timer's ticks, one short transaction each, and nothing else."""

from __future__ import annotations

import pytest

from benchmarks import idle
from tests.functions.aws.idle import idle_hour
from tests.functions.idle import TICKS, Hour


@pytest.mark.parametrize(("pools", "deployments"), [(1, 1), (20, 3)])
def test_an_idle_hour_takes_twelve_invocations_and_twelve_transactions(
    pools: int, deployments: int, postgres_url: str
) -> None:
    hour = idle_hour(postgres_url, pools=pools, deployments=deployments)
    print(f"{pools} pools, {pools * deployments} deployments: {hour}")
    assert (hour.invocations, hour.transactions) == (TICKS, TICKS)
    assert 0 < hour.written < TICKS * 2_000


def test_its_price_follows_from_what_was_measured() -> None:
    once = dict(idle.prices(Hour(12, 12, 12_000, 0.1), cold_cpu=0.58))
    twice = dict(idle.prices(Hour(24, 24, 24_000, 0.2), cold_cpu=0.58))
    by_call = [name for name in once if name.startswith(("Lambda", "CloudWatch Logs", "Secrets Manager, read"))]
    assert len(by_call) == 4
    for name, price in once.items():
        assert price >= 0
        assert twice[name] == pytest.approx(price * 2 if name in by_call else price, rel=0.2)
    assert once["Lambda, requests"] == pytest.approx(8760 * 0.20 / 1e6)
