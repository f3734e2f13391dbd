"""Steps two transactions statement by statement through every interleaving.

Each participant is a thread that stops before every statement (the commit is one) until it is let go. A schedule is the
sequence of who goes next; the explorer tries all of them, depth first. Somebody who waits for the other's lock cannot
go, and whether he waits is asked of the database, not guessed by time, where the database can tell.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, event, text

from skylift.store import Store, Tx
from skylift.store.tables import (
    attempts,
    due,
    flow_run_states,
    flow_run_timeline,
    flow_runs,
    quota_buckets,
    schedule_slots,
)

PATIENCE = 20.0
SQLITE_BLOCKED = 0.04


@dataclass
class Participant:
    """One thread, and where it stands."""

    name: int
    work: Callable[[], Any]
    change: threading.Condition
    at_gate: bool = False
    released: int = 0
    done: bool = False
    backend: int | None = None
    result: Any = None
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def begin(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        _current.participant = self
        try:
            self.result = self.work()
        except BaseException as error:
            self.error = error
        finally:
            with self.change:
                self.done = True
                self.change.notify_all()

    def gate(self) -> None:
        """Called in the thread, before each statement."""
        with self.change:
            self.at_gate = True
            self.change.notify_all()
            assert self.change.wait_for(lambda: self.released > 0, PATIENCE), "nobody let this statement go"
            self.released -= 1
            self.at_gate = False

    def release(self) -> None:
        with self.change:
            self.at_gate = False
            self.released += 1
            self.change.notify_all()


_current = threading.local()


class Stepper:
    """Runs participants over one store, under a given schedule.

    They stop where they begin, at statements that mention one of `tables`, and at commits. Leave out tables of which
    they touch different rows: those statements commute, so that stopping there would only repeat the same histories.
    """

    def __init__(self, store: Store, tables: Sequence[str]) -> None:
        self.store, self.change, self.tables = store, threading.Condition(), tables
        # Threads of one process queue up for an SQLite file; here each stands for a process of its own.
        self._turn, store._turn = store._turn, nullcontext()
        event.listen(store.engine, "before_cursor_execute", self._before)
        event.listen(store.engine, "commit", self._at_commit)
        event.listen(store.engine, "begin", self._at_begin, insert=True)

    def close(self) -> None:
        event.remove(self.store.engine, "before_cursor_execute", self._before)
        event.remove(self.store.engine, "commit", self._at_commit)
        event.remove(self.store.engine, "begin", self._at_begin)
        self.store._turn = self._turn

    def _before(self, conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("BEGIN") or any(f" {table}" in statement for table in self.tables):
            self._stop(conn)

    def _at_commit(self, conn: Any) -> None:
        self._stop(conn)

    def _at_begin(self, conn: Any) -> None:
        participant: Participant | None = getattr(_current, "participant", None)
        if participant and self.store.dialect == "postgresql":
            participant.backend = conn.connection.dbapi_connection.info.backend_pid

    def _stop(self, _conn: Any) -> None:
        participant: Participant | None = getattr(_current, "participant", None)
        if participant:
            participant.gate()

    def run(self, works: Sequence[Callable[[], Any]], choices: list[int]) -> tuple[list[Participant], list[list[int]]]:
        """Run to the end, following `choices` as far as they go; says at each step who could have gone."""
        everyone = [Participant(name, work, self.change) for name, work in enumerate(works)]
        options: list[list[int]] = []
        for each in everyone:
            each.begin()
        for step in range(10_000):
            self._settle(everyone)
            ready = [each.name for each in everyone if each.at_gate and not each.done]
            if not ready:
                if all(each.done for each in everyone):
                    break
                continue
            options.append(ready)
            wanted = choices[step] if step < len(choices) else ready[0]
            everyone[wanted if wanted in ready else ready[0]].release()
        for each in everyone:
            each.thread.join(PATIENCE)
            if each.error:
                raise each.error
        return everyone, options

    def _settle(self, everyone: list[Participant]) -> None:
        """Wait until everybody stands at a gate, is done, or waits for a lock that another one holds."""
        deadline = time.monotonic() + PATIENCE
        began = time.monotonic()
        while time.monotonic() < deadline:
            with self.change:
                moving = [each for each in everyone if not each.at_gate and not each.done]
                if not moving:
                    return
                self.change.wait(0.002)
                moving = [each for each in everyone if not each.at_gate and not each.done]
            if len(moving) < len([each for each in everyone if not each.done]) and all(
                self._is_blocked(each, began) for each in moving
            ):
                return
        raise AssertionError("the participants neither move nor wait for one another")

    def _is_blocked(self, participant: Participant, since: float) -> bool:
        if self.store.dialect == "sqlite":
            return time.monotonic() - since > SQLITE_BLOCKED
        if participant.backend is None:
            return False
        with self.store.engine.connect() as conn:
            found = conn.execute(
                text("SELECT cardinality(pg_blocking_pids(:pid))"), {"pid": participant.backend}
            ).scalar_one()
        return bool(found)


def every_schedule(options_of: Callable[[list[int]], list[list[int]]]) -> Iterator[list[int]]:
    """All schedules, depth first. `options_of(prefix)` runs one and says who could have gone at each of its steps."""
    stack: list[list[int]] = [[]]
    while stack:
        prefix = stack.pop()
        options = options_of(prefix)
        taken = prefix + [ready[0] for ready in options[len(prefix) :]]
        yield taken
        for step in range(len(prefix), len(options)):
            stack.extend([*taken[:step], other] for other in options[step] if other != taken[step])


def explore(
    store: Store,
    works: Sequence[Callable[[], Any]],
    prepare: Callable[[], None],
    check: Callable[[list[Any]], None],
    *,
    tables: Sequence[str],
) -> int:
    """Try every interleaving of `works`, each from what `prepare` makes; `check` is given what they returned.

    Says how many interleavings there were.
    """
    stepper, count = Stepper(store, tables), 0

    def one(prefix: list[int]) -> list[list[int]]:
        store.transaction(_forget_runs)
        prepare()
        everyone, options = stepper.run(works, prefix)
        check([each.result for each in everyone])
        return options

    try:
        for _ in every_schedule(one):
            count += 1
    finally:
        stepper.close()
    return count


def _forget_runs(tx: Tx) -> None:
    for table in (attempts, due, flow_run_states, flow_run_timeline, flow_runs, quota_buckets, schedule_slots):
        tx.run(delete(table))
