"""The installation at a glance: pools, what failed lately, and what needs a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, func, select

from skylift import __version__, drift, schedule
from skylift.models.console.base import Named
from skylift.models.console.overview import FailureGroup, Overview, PoolStanding, Problem, ProblemKind
from skylift.models.pools import WorkPool
from skylift.parts import Parts
from skylift.store import Tx, failures, infrastructure, pull, slots, ticks
from skylift.store.run_rows import first_line
from skylift.store.tables import attempts, due, flow_run_timeline, work_pools
from skylift.store.ticks import Tick

MOST_GROUPS, NAMED = 50, 3
SLACK = timedelta(minutes=1)
"""What a timer may be late by."""
LONGEST = timedelta(minutes=10)
"""Twice the time from one tick to the next on any platform: where none was ever noted."""
MOST_STUCK = 200
"""Attempts whose launches are looked at."""


def read(parts: Parts, tx: Tx, pools: Sequence[WorkPool]) -> Overview:
    """`pools`: as the API shows them."""
    failed, groups = failures.of_last_day(tx)
    standings = list(_standings(parts, tx, pools))
    tick = ticks.last(tx)
    return Overview(
        version=__version__,
        last_tick=tick.at if tick else None,
        problems=[*_timer(tx, tick), *_unserved(standings), *_unreachable(tx), *_drift(tx)],
        pools=standings,
        failures=[
            FailureGroup(
                state_type=each.newest.state_type,
                reason=first_line(each.newest.message) or each.newest.state_name,
                count=each.count,
                last_at=each.newest.timestamp,
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


def _timer(tx: Tx, tick: Tick | None) -> Iterator[Problem]:
    """Nothing due is started, and no schedule continued, by the timer of an installation whose timer does not come."""
    overdue = None if tick else schedule.next_tick(tx)
    late_since = tick.at if tick and tx.now > tick.at + 2 * tick.every + SLACK else None
    if overdue and overdue < tx.now - LONGEST - SLACK:
        late_since = overdue
    if late_since:
        yield Problem(
            kind=ProblemKind.TIMER,
            message=f"The timer has not come since {late_since:%Y-%m-%d %H:%M} UTC",
            remedy="See that `skylift serve` runs, or that the schedule of the function is switched on",
            work_pool=None,
            since=late_since,
        )


def _drift(tx: Tx) -> Iterator[Problem]:
    """What the last look at pools' infrastructure found missing or changed."""
    for name, row in infrastructure.all_seen(tx).items():
        found = [f"{each.kind} {each.name} is {each.state}" for each in drift.drifted(row.value)]
        if found:
            more = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
            yield Problem(
                kind=ProblemKind.DRIFT,
                message=f"Infrastructure of work pool {name!r}: {', '.join(found[:NAMED])}{more}",
                remedy=f"skylift work-pool provision-infra {name}",
                work_pool=name,
                since=row.updated,
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
    """Pools with attempts whose launch did not get through to their provider: the last word of each."""
    stuck = tx.all(
        select(attempts.c.id, attempts.c.flow_run_id, work_pools.c.name)
        .join(work_pools, work_pools.c.id == attempts.c.work_pool_id)
        .where(attempts.c.launched_at.is_(None), attempts.c.launch_calls > 0)
        .order_by(attempts.c.claimed_at)
        .limit(MOST_STUCK)
    )
    if not stuck:
        return
    lines, pool_of = flow_run_timeline.c, {row.id: row.name for row in stuck}
    said = tx.all(
        select(flow_run_timeline)
        .where(lines.flow_run_id.in_([row.flow_run_id for row in stuck]), lines.kind == "unreachable")
        .order_by(lines.at)
    )
    last = {pool_of[row.attempt_id]: row for row in said if row.attempt_id in pool_of}
    for name, row in last.items():
        yield Problem(
            kind=ProblemKind.UNREACHABLE,
            message=f"The provider of work pool {name!r} could not be reached: {row.message}",
            remedy=row.remedy,
            work_pool=name,
            since=row.at,
        )
