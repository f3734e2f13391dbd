"""A database with a past, and what may be read of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from tests.support.installation import Installation
from tests.support.plans import Plans

GROWING = (
    "flow_runs",
    "flow_run_states",
    "flow_run_timeline",
    "log_batches",
    "ended_attempts",
    "schedule_slots",
    "deployments",
    "deployment_schedules",
    "due",
    "task_runs",
    "task_run_states",
    "events",
    "artifacts",
    "flow_run_inputs",
    "asked_runs",
    "concurrency_leases",
    "webhook_deliveries",
)
"""Tables of which only a few rows concern one operation."""


@dataclass(frozen=True)
class World:
    """A pool with a past, with many runs to come, and with some that are live."""

    place: Installation
    pool: Row[Any]
    deployments: tuple[Row[Any], Row[Any]]

    def make_due(self, count: int) -> None:
        for number in range(count):
            self.place.run(self.deployments[number % 2].id)


def check(plans: Plans, most: int, *tables: str, apart_from: str = "") -> None:
    """No table that grows is read from end to end, and of none more than `most` rows are read by any way."""
    growing = [each for each in (*GROWING, *tables) if each != apart_from]
    assert plans.statements
    whole = [scan for scan in plans.scans(*growing) if scan.how == "Seq Scan" and scan.rows]
    read = {table: rows for table, rows in plans.rows_by_table().items() if table in growing and rows > most}
    assert not whole, f"{whole}\n{plans.heaviest()}"
    assert not read, f"{read}\n{plans.heaviest()}"
