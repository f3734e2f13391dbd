"""The clockwork: takes wakeups, calls the verb for each, and sends itself the timer's."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from skylift import cleanup, faults, observe, schedule
from skylift.dispatch import dispatch
from skylift.parts import Parts
from skylift.retention import retention
from skylift.store import due, ticks
from skylift.wakeups import Dispatch, Observe, Schedule, Wakeup
from skylift_functions.local.wakeups import LocalWakeups

log = logging.getLogger(__name__)

TIMER = 5.0
"""Seconds. Cheap here, where a tick costs no function call; it brings up what other processes wrote."""
STRAYS_EVERY = NOTED_EVERY = 12
RETENTION_EVERY, RETENTION_FIRST, RETENTION_SECONDS = 720, 12, 60.0
"""Ticks from one to the next, and from the start to the first; and how long one may take: the rest is the next's."""
WORKERS, UPKEEP = 6, 3


@dataclass(slots=True)
class Clockwork:
    """Runs the verbs of one process, each wakeup once at a time."""

    parts: Parts
    wakeups: LocalWakeups
    _running: set[Wakeup] = field(default_factory=set)
    _again: set[Wakeup] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WORKERS, "dispatch"))
    _upkeep: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(UPKEEP, "upkeep"))
    _strays: Future[int] | None = None
    _retention: Future[None] | None = None

    def start(self) -> None:
        """Begin, with a tick of the timer at once: what an earlier process left is picked up here."""
        for target in (self._take, self._tick):
            thread = threading.Thread(target=target, name=f"clockwork-{target.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Take nothing more on, and wait for what is under way."""
        self._stopping.set()
        self.wakeups.close()
        for thread in self._threads:
            thread.join()
        self._workers.shutdown()
        self._upkeep.shutdown()

    def _take(self) -> None:
        while wakeup := self.wakeups.take():
            with self._lock:
                if wakeup in self._running:
                    # Again when it is done: it may have read before what this one is about was written.
                    self._again.add(wakeup)
                    continue
                self._running.add(wakeup)
            # Slow launches of several pools must not hold up what heals them.
            (self._workers if isinstance(wakeup, Dispatch) else self._upkeep).submit(self._run, wakeup)

    def _run(self, wakeup: Wakeup) -> None:
        try:
            self._call(wakeup)
        except Exception as error:
            log.error("%s failed; the timer will bring it up again: %s", wakeup, faults.told(error))
        finally:
            with self._lock:
                self._running.discard(wakeup)
                again = wakeup in self._again
                self._again.discard(wakeup)
            if again:
                self.wakeups.send(wakeup, datetime.now(UTC))

    def _call(self, wakeup: Wakeup) -> None:
        match wakeup:
            case Dispatch(pool_id):
                dispatch(self.parts, pool_id, until=time.monotonic() + 60, stopped=self._stopping.is_set)
            case Schedule():
                schedule.schedule(self.parts)
            case Observe():
                observe.observe(self.parts)
                self._look_again()

    def _look_again(self) -> None:
        with self.parts.store.reading() as tx:
            at = observe.next_look(tx, self.parts.providers.types)
        if at:
            self.wakeups.send(Observe(), at)

    def _tick(self) -> None:
        count = 0
        while not self._stopping.is_set():
            try:
                self._timer(count)
            except Exception as error:
                log.error("The timer failed; it goes on in %s s: %s", TIMER, faults.told(error))
            count += 1
            self._stopping.wait(TIMER)

    def _timer(self, count: int) -> None:
        now = datetime.now(UTC)
        self.wakeups.send(Schedule(), now)
        self.wakeups.send(Observe(), now)
        with self.parts.store.reading() as tx:
            pools = due.pools_with_due_runs(tx)
        for pool in pools:
            self.wakeups.send(Dispatch(pool), now)
        if count % NOTED_EVERY == 0:
            self.parts.store.transaction(ticks.note, timedelta(seconds=TIMER * NOTED_EVERY))
        if count % STRAYS_EVERY == 0 and (self._strays is None or self._strays.done()):
            self._strays = self._upkeep.submit(cleanup.stop_strays, self.parts)
        if count % RETENTION_EVERY == RETENTION_FIRST and (self._retention is None or self._retention.done()):
            self._retention = self._upkeep.submit(self._retain)

    def _retain(self) -> None:
        try:
            retention(self.parts, until=time.monotonic() + RETENTION_SECONDS, stopped=self._stopping.is_set)
        except Exception as error:
            log.error("Retention failed; it is tried again in an hour: %s", faults.told(error))
