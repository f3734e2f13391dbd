"""The installation at a glance: pools, what failed lately, and what needs a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, and_, func, select

from skylift import __version__
from skylift.models.console.base import Named
from skylift.models.console.overview import FailureGroup, Overview, PoolStanding, Problem, ProblemKind
from skylift.models.pools import WorkPool
from skylift.parts import Parts
from skylift.store import Tx, failures, pull, slots
from skylift.store.tables import attempts, due, flow_run_timeline, work_pools

MOST_GROUPS = 50


def read(parts: Parts, tx: Tx, pools: Sequence[WorkPool]) -> Overview:
    """`pools`: as the API shows them."""
    failed, groups = failures.of_last_day(tx)
    standings = list(_standings(parts, tx, pools))
    return Overview(
        version=__version__,
        last_tick=None,
        problems=[*_unserved(standings), *_unreachable(tx)],
        pools=standings,
        failures=[
            FailureGroup(
                state_type=each.newest.state_type,
                reason=each.newest.state_message or each.newest.state_name,
                count=each.count,
                last_at=each.newest.state_timestamp,
                last_run=Named(id=each.newest.id, name=each.newest.name),
            )
            for each in groups[:MOST_GROUPS]
        ],
        failed=failed,
    )


def _standings(parts: Parts, tx: Tx, pools: Sequence[WorkPool]) -> Iterator[PoolStanding]:
    rows = tx.all(select(work_pools.c.id, work_pools.c.type).where(work_pools.c.id.in_([each.id for each in pools])))
    used = slots.by_pool(tx, rows)
    waiting = {row.work_pool_id: row for row in _due(parts, tx)}
    for pool in pools:
        row = waiting.get(pool.id)
        yield PoolStanding(
            name=pool.name,
            type=pool.type,
            description=pool.description,
            status=pool.status,
            concurrency_limit=pool.concurrency_limit,
            occupied=sum(used[pool.id].values()),
            due=row.due if row else 0,
            late=row.late if row else 0,
            next_due=row.next_due if row else None,
        )


def _due(parts: Parts, tx: Tx) -> list[Row[Any]]:
    """Of each pool in which runs wait: how many are due, how many late, and when the first is due."""
    late = tx.now - timedelta(seconds=parts.settings.late_after)
    return tx.all(
        select(
            due.c.work_pool_id,
            func.min(due.c.due_at).label("next_due"),
            func.count().filter(due.c.due_at <= tx.now).label("due"),
            func.count().filter(due.c.due_at < late).label("late"),
        ).group_by(due.c.work_pool_id)
    )


def _unserved(standings: Sequence[PoolStanding]) -> Iterator[Problem]:
    for pool in standings:
        if pool.status != "NOT_READY" or not pool.due:
            continue
        if pull.is_pull(pool.type):
            what, remedy = "no worker asks for them", f"prefect worker start --pool {pool.name!r}"
        else:
            what, remedy = (
                f"no provider for {pool.type!r} is installed",
                "Install its extra, and start the service again",
            )
        yield Problem(
            kind=ProblemKind.NOT_SERVED,
            message=f"{pool.due} runs are due in work pool {pool.name!r}, and {what}",
            remedy=remedy,
            work_pool=pool.name,
            since=pool.next_due,
        )


def _unreachable(tx: Tx) -> Iterator[Problem]:
    """Pools with attempts of which the provider was told in vain, the last word of each."""
    lines = flow_run_timeline.c
    said = and_(lines.flow_run_id == attempts.c.flow_run_id, lines.attempt_id == attempts.c.id)
    rows = tx.all(
        select(work_pools.c.name, lines.at, lines.message, lines.remedy)
        .select_from(
            attempts.join(flow_run_timeline, said).join(work_pools, work_pools.c.id == attempts.c.work_pool_id)
        )
        .where(attempts.c.launched_at.is_(None), lines.kind == "unreachable")
        .order_by(lines.at)
    )
    for row in {row.name: row for row in rows}.values():
        yield Problem(
            kind=ProblemKind.UNREACHABLE,
            message=f"The provider of work pool {row.name!r} could not be reached: {row.message}",
            remedy=row.remedy,
            work_pool=row.name,
            since=row.at,
        )
