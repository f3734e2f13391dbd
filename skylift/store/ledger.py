"""The slots of a deployment's schedules, and what became of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from skylift.store.engine import Tx
from skylift.store.tables import flow_runs, schedule_slots


def of_deployment(
    tx: Tx, deployment_id: UUID, start: datetime | None, end: datetime | None, limit: int
) -> list[Row[Any]]:
    """Those from `start` up to before `end` (None: no bound), the newest first: `slot`, `identity`, the run's
    id with its name and state where it is still there, and `skipped`."""
    slot = schedule_slots.c.slot
    bounds = [*([slot >= start] if start else []), *([slot < end] if end else [])]
    return tx.all(
        select(
            slot,
            schedule_slots.c.identity,
            schedule_slots.c.skipped,
            schedule_slots.c.flow_run_id,
            flow_runs.c.name,
            flow_runs.c.state_type,
            flow_runs.c.state_name,
        )
        .outerjoin(flow_runs, flow_runs.c.id == schedule_slots.c.flow_run_id)
        .where(schedule_slots.c.deployment_id == deployment_id, *bounds)
        .order_by(slot.desc(), schedule_slots.c.identity)
        .limit(limit)
    )
