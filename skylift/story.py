"""A flow run's story: what happened when, try by try, what it waits for, how it failed and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from skylift.check import links_of
from skylift.explain import waiting
from skylift.models.console.base import Named
from skylift.models.console.pools import Phase
from skylift.models.console.runs import AttemptStep, AttemptStory, RunStory
from skylift.models.runs import FlowRun, TimelineEntry
from skylift.models.states import StateType
from skylift.parts import Parts
from skylift.store import Tx, attempts, deployments, flows, timeline
from skylift.store.run_times import lateness
from skylift.store.tables import ended_attempts

FAILED = (StateType.FAILED, StateType.CRASHED)
BETWEEN = ("created", "scheduled")
"""Kinds of lines that belong to no attempt. Other states are those of the attempt before them."""
PROVIDERS_OWN = ("throttled", "outofcapacity", "unreachable", "rejected", "ended")
"""Kinds of lines in which the provider says why something did not work."""


def told(parts: Parts, tx: Tx, run: Row[Any], shown: FlowRun) -> RunStory:
    """The run's whole story; `shown` is the run as the API shows it. What of that counts on with the clock stands still
    at the last change, so that a story in which nothing happens stays the same."""
    at_last = {
        "estimated_run_time": run.total_run_time,
        "estimated_start_time_delta": lateness(run, run.state_timestamp),
    }
    lines = [TimelineEntry.model_validate(row) for row in timeline.read(tx, run.id)]
    tries = _attempts(parts, tx, run, lines)
    deployment = deployments.find(tx, run.deployment_id)
    has_failed = run.state_type in FAILED
    waits_for = waiting(tx, run, parts.providers)
    wants = bool(has_failed or waits_for)
    remedies = [line.remedy for line in lines if line.remedy and wants]
    said = [line.message for line in lines if line.kind in PROVIDERS_OWN and wants]
    flow = flows.by_id(tx, run.flow_id)
    return RunStory(
        flow_run=shown.model_copy(update=at_last),
        flow=Named(id=flow.id, name=flow.name),
        deployment=Named(id=deployment.id, name=deployment.name) if deployment else None,
        waiting=waits_for,
        why=shown.state.message if has_failed and shown.state else None,
        provider_words=said[-1] if said else None,
        remedy=remedies[-1] if remedies else None,
        attempts=tries,
        timeline=lines,
        links=tries[-1].links if tries else {},
    )


def _attempts(parts: Parts, tx: Tx, run: Row[Any], lines: Sequence[TimelineEntry]) -> list[AttemptStory]:
    live = attempts.of_run(tx, run.id)
    rows = tx.all(select(ended_attempts).where(ended_attempts.c.flow_run_id == run.id))
    known = {row.id: row for row in [*rows, *([live] if live else [])]}
    return [
        AttemptStory(
            attempt_id=attempt_id,
            number=number,
            began_at=steps[0].at,
            ended_at=_end_of(attempt_id, live, known.get(attempt_id), steps),
            phase=Phase(live.phase) if live and live.id == attempt_id else None,
            handle=known[attempt_id].handle if attempt_id in known else None,
            links=links_of(parts, known[attempt_id]) if attempt_id in known else {},
            steps=steps,
        )
        for number, (attempt_id, steps) in enumerate(_by_attempt(lines).items(), 1)
    ]


def _end_of(
    attempt_id: UUID, live: Row[Any] | None, row: Row[Any] | None, steps: Sequence[AttemptStep]
) -> datetime | None:
    if live and live.id == attempt_id:
        return None
    ended: datetime = row.ended_at if row else steps[-1].at
    return ended


def _by_attempt(lines: Sequence[TimelineEntry]) -> dict[UUID, list[AttemptStep]]:
    """The steps of each attempt, in order. One starts with the first line that names it."""
    found: dict[UUID, list[AttemptStep]] = {}
    own: UUID | None = None
    for number, line in enumerate(lines):
        own = line.attempt_id or (None if line.kind in BETWEEN else own)
        if own is None:
            continue
        following = lines[number + 1].at if number + 1 < len(lines) else None
        step = AttemptStep(
            at=line.at,
            kind=line.kind,
            message=line.message,
            remedy=line.remedy,
            seconds=(following - line.at).total_seconds() if following else None,
        )
        found.setdefault(own, []).append(step)
    return found
