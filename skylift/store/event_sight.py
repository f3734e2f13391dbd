"""Which events a run may send, and which it may see: those of the runs that are its own, or in its sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from skylift.models.events import TASK_RUN, Event
from skylift.store.engine import Tx
from skylift.store.sight import own_or_below, seen


def own(tx: Tx, flow_run_id: UUID, events: Sequence[Event]) -> list[Event]:
    """Those of these events that this run may send: they name its own runs or none. Of task runs it must be told whose
    they are."""
    named = {run for event in events for run in event.flow_run_ids}
    theirs = named - (own_or_below(tx, flow_run_id, named) if named else set())
    return [
        event
        for event in events
        if theirs.isdisjoint(event.flow_run_ids) and (event.flow_run_ids or not event.resource_id.startswith(TASK_RUN))
    ]


def of(tx: Tx, flow_run_id: UUID | None) -> Callable[[Event], bool]:
    """Whether this run may see an event, asked one by one; None: a person, who may see all."""
    if flow_run_id is None:
        return lambda _event: True
    known: dict[UUID, bool] = {}

    def may_see(event: Event) -> bool:
        runs = event.flow_run_ids
        for run in runs:
            if run not in known:
                known[run] = bool(seen(tx, flow_run_id, [run]))
        return bool(runs) and all(known[run] for run in runs)

    return may_see
