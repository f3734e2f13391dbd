"""Which flow runs a run may see: itself, those that it has asked for, and the subflows of all these at any depth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Row, Select, literal, or_, select, union
from sqlalchemy.types import Uuid

from skylift.models.states import StateType
from skylift.store.engine import Tx
from skylift.store.inserts import insert_new
from skylift.store.tables import asked_runs, flow_runs, task_runs

MAX_DEPTH = 50
"""How deep subflows may be nested and still belong to the run at the top."""
MOST_TOLD = 1_000


def note_asked(tx: Tx, asked_by: UUID, flow_run_id: UUID) -> None:
    """The run has asked for this one, by a deployment for instance, and waits for it though it is none of its
    subflows."""
    insert_new(tx, asked_runs, [{"asked_by": asked_by, "flow_run_id": flow_run_id}])


def forget(tx: Tx, flow_run_ids: Iterable[UUID]) -> None:
    """For runs that are deleted."""
    ids = list(flow_run_ids)
    tx.run(asked_runs.delete().where(or_(asked_runs.c.asked_by.in_(ids), asked_runs.c.flow_run_id.in_(ids))))


def own_or_below(tx: Tx, ancestor: UUID, flow_run_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these flow runs that are `ancestor`, or its subflows at any depth."""
    return _at_or_below(tx, {ancestor}, flow_run_ids)


def seen(tx: Tx, run: UUID, flow_run_ids: Iterable[UUID]) -> set[UUID]:
    """Those of these flow runs that the run may see."""
    wanted = set(flow_run_ids)
    if wanted <= {run}:
        return wanted
    return _at_or_below(tx, {run} | {row.flow_run_id for row in tx.all(_asked_by(run))}, wanted)


def cancelling_below(tx: Tx, run: UUID) -> list[Row[Any]]:
    """Subflows of the run, at any depth, that are to be cancelled. Reads no more than is being cancelled just now."""
    wanted = (flow_runs.c.state_type == str(StateType.CANCELLING), flow_runs.c.parent_task_run_id.is_not(None))
    rows = tx.all(select(flow_runs).where(*wanted).order_by(flow_runs.c.expected_start_time.desc()).limit(MOST_TOLD))
    found = _at_or_below(tx, {run}, [row.id for row in rows]) if rows else set()
    return [row for row in rows if row.id in found]


def visible(run: UUID) -> Select[tuple[UUID]]:
    """The ids of all flow runs that the run may see, for an IN."""
    start: CompoundSelect[tuple[UUID]] = union(select(literal(run, Uuid).label("id")), _asked_by(run))
    family = select(start.subquery().c.id).cte(recursive=True)
    below = (
        select(flow_runs.c.id)
        .join(task_runs, task_runs.c.id == flow_runs.c.parent_task_run_id)
        .join(family, family.c.id == task_runs.c.flow_run_id)
    )
    return select(family.union(below).c.id)


def _asked_by(run: UUID) -> Select[tuple[UUID]]:
    return select(asked_runs.c.flow_run_id).where(asked_runs.c.asked_by == run)


def _at_or_below(tx: Tx, ancestors: set[UUID], flow_run_ids: Iterable[UUID]) -> set[UUID]:
    walks = {each: each for each in flow_run_ids}
    found: set[UUID] = set()
    for _ in range(MAX_DEPTH):
        found |= {start for start, at in walks.items() if at in ancestors}
        walks = {start: at for start, at in walks.items() if at not in ancestors}
        if not walks:
            break
        above = tx.all(
            select(flow_runs.c.id, task_runs.c.flow_run_id)
            .join(task_runs, task_runs.c.id == flow_runs.c.parent_task_run_id)
            .where(flow_runs.c.id.in_(set(walks.values())), task_runs.c.flow_run_id.is_not(None))
        )
        up = {row.id: row.flow_run_id for row in above}
        walks = {start: up[at] for start, at in walks.items() if at in up}
    return found
