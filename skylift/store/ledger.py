"""The slots of a deployment's schedules, and what became of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, union_all

from skylift.store.engine import Tx
from skylift.store.tables import flow_runs
from skylift.store.tables import schedule_slots as table


def of_deployment(
    tx: Tx, deployment_id: UUID, start: datetime | None, end: datetime | None, limit: int
) -> list[Row[Any]]:
    """Those from `start` up to before `end` (None: no bound), the newest first: `slot`, `schedule`, the run's
    id with its name and state where it is still there, and `skipped`."""
    own = table.c.deployment_id == deployment_id
    bounds = [*([table.c.slot >= start] if start else []), *([table.c.slot < end] if end else [])]
    identities = [row.identity for row in tx.all(select(table.c.identity).where(own).distinct())]
    if not identities:
        return []
    columns = (table.c.slot, table.c.identity.label("schedule"), table.c.flow_run_id, table.c.skipped)
    # The table is kept by deployment, schedule and time: each schedule is asked for by itself.
    each = [
        select(*columns).where(own, table.c.identity == identity, *bounds).order_by(table.c.slot.desc()).limit(limit)
        for identity in identities
    ]
    found = union_all(*(select(query.subquery()) for query in each)).subquery()
    return tx.all(
        select(found, flow_runs.c.name, flow_runs.c.state_type, flow_runs.c.state_name)
        .outerjoin(flow_runs, flow_runs.c.id == found.c.flow_run_id)
        .order_by(found.c.slot.desc(), found.c.schedule)
        .limit(limit)
    )
