"""One database with a past for all tests of growth: each reads it, and changes little."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from skylift.dispatch import dispatch
from skylift.models.flows import ScheduleCreate
from tests.conftest import Databases
from tests.store.growth import World
from tests.support import history, records
from tests.support.installation import START, Installation

FINISHED, SCHEDULES, CYCLES = 20_000, 3_000, 500
LIVE = 200


@pytest.fixture(scope="session")
def world(databases: Databases) -> Iterator[World]:
    if databases.like_dsql:
        pytest.skip("Aurora DSQL has no procedures, which make the past, and no plans like PostgreSQL's")
    with databases.postgres() as url:
        place = Installation(url)
        pool = place.pool(concurrency_limit=10_000)
        every = ScheduleCreate.model_validate({"schedule": {"cron": "0 * * * *", "timezone": "UTC"}})
        free = place.deployment(schedules=[every])
        limited = place.deployment("limited", concurrency_limit=10_000)
        history.add_finished(place.store, FINISHED, before=START - timedelta(days=2))
        records.add_records(place.store, at=START)
        history.add_schedules(place.store, SCHEDULES, like=free, at=START)
        history.analyze(place.store)
        history.run_cycles(place.store, CYCLES, deployment=free, start=START - timedelta(days=1))
        made = World(place, pool, (free, limited))
        made.make_due(LIVE)
        assert dispatch(place.parts, pool.id).launched == LIVE
        history.analyze(place.store)
        yield made
        place.close()
