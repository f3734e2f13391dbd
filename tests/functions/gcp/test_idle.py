"""What an hour costs in which nothing is due: the timer's ticks, one short transaction each, and nothing else."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from skylift.schedule import schedule
from tests.functions.gcp.bench import Bench
from tests.support.installation import Installation

TICKS = 12


@pytest.mark.parametrize(("pools", "deployments"), [(1, 1), pytest.param(20, 3, marks=pytest.mark.long)])
def test_an_idle_hour_takes_twelve_invocations_and_twelve_transactions(
    pools: int, deployments: int, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Installation(postgres_url)
    bench = Bench(place, monkeypatch)
    for number in range(pools):
        place.pool(f"pool-{number}")
        for each in range(deployments):
            name = f"{number}-{each}"
            place.deployment(name, f"pool-{number}", schedules=[{"schedule": {"cron": "0 20 * * *"}}])
    schedule(place.parts)
    place.clock.advance(1800)
    bench.flushed()
    transactions: list[object] = []
    event.listen(place.store.engine, "begin", transactions.append)
    invocations = 0
    for _ in range(TICKS):
        place.clock.advance(300)
        assert bench.call("schedule").status_code == 204
        invocations += 1 + len(bench.flushed())
    print(
        f"{pools} pools, {pools * deployments} deployments: {invocations} invocations, {len(transactions)} transactions"
    )
    assert invocations == TICKS
    assert len(transactions) == TICKS
    place.close()
