"""Feeds: what is new in the store, told to whoever listens in this process, within about a second.

While anybody listens, one task asks the store again and again; there is none while nobody does. Other processes that
write to the same database need not know of it. What is committed late is found as well, because each look goes back a
little further than the last one; what was told already is remembered for as long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from anyio import CancelScope, to_thread

from skylift.models.event_filters import EventFilter
from skylift.models.events import ReceivedEvent
from skylift.models.runs import Log
from skylift.store import Store, Tx, events, logs
from skylift.store.logs import Wanted

logger = logging.getLogger(__name__)

T = TypeVar("T")
F = TypeVar("F")
K = TypeVar("K", bound=Hashable)

EVERY = 0.5
"""Seconds between two looks."""
BACK = timedelta(seconds=10)
"""How much later than it says a transaction may be committed, and how much the clocks of processes may differ."""
BACKLOG = 5_000
"""What may wait for a listener that is slow to take it; one that is slower has to come again."""


class Source(Protocol[T, F]):
    """Where new things are found. Each look remembers what it found; only one is made at a time."""

    def look(self, tx: Tx, wanted: list[F]) -> list[T]:
        """What was not there at the last look, in order: at least what filters ask for that were given then, too."""
        ...


@dataclass(eq=False, slots=True)
class Listener(Generic[T, F]):
    """One that listens, and what waits for it."""

    wanted: F
    matches: Callable[[T], bool]
    waiting: asyncio.Queue[T] = field(default_factory=lambda: asyncio.Queue(BACKLOG))
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    too_slow: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, thing: T) -> None:
        if self.matches(thing):
            try:
                self.waiting.put_nowait(thing)
            except asyncio.QueueFull:
                self.too_slow.set()


class Feed(Generic[T, F]):
    """One kind of new things, for the listeners of one process."""

    def __init__(self, store: Store, source: Callable[[], Source[T, F]]) -> None:
        self._store = store
        self._source = source
        self._listeners: set[Listener[T, F]] = set()
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def listen(self, wanted: F, matches: Callable[[T], bool]) -> AsyncIterator[Listener[T, F]]:
        """From now on what is new and matches waits in the listener's queue."""
        listener = Listener(wanted, matches)
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._changed = asyncio.Event()
            self._task = asyncio.create_task(self._run())
        self._changed.set()
        try:
            await listener.ready.wait()
            yield listener
        finally:
            self._listeners.discard(listener)
            self._changed.set()
            with CancelScope(shield=True):
                await self._until_quiet()

    async def _until_quiet(self) -> None:
        """While nobody listens any more, wait for the last look: the store may be closed after that."""
        task = self._task
        while task and not task.done() and not self._listeners:
            await asyncio.wait({task}, timeout=0.05)

    async def _run(self) -> None:
        source = self._source()
        while self._listeners:
            self._changed.clear()
            listeners = list(self._listeners)
            try:
                found = await to_thread.run_sync(self._look, source, [each.wanted for each in listeners])
            except Exception as error:  # the database will be back: listeners only wait a little longer
                logger.warning("Looking for what is new failed: %s", type(error).__name__)
            else:
                for listener in listeners:
                    for thing in found:
                        listener.tell(thing)
                    listener.ready.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), EVERY)

    def _look(self, source: Source[T, F], wanted: list[F]) -> list[T]:
        with self._store.reading() as tx:
            return source.look(tx, wanted)


@dataclass(slots=True)
class Memory:
    """What was seen, and what was looked for: keys by the last time they were in sight, and subjects."""

    seen: dict[Hashable, datetime] = field(default_factory=dict)
    subjects: set[Hashable] | None = field(default_factory=set)
    """None: all. What is seen for the first time under a new subject may be old."""

    def note(self, keys: Iterable[K], now: datetime) -> list[K]:
        """Those that were not seen before."""
        keys = list(keys)
        fresh = [key for key in keys if key not in self.seen]
        self.seen.update(dict.fromkeys(keys, now))
        self.seen = {key: at for key, at in self.seen.items() if at >= now - BACK}
        return fresh

    def looked_for(self, subject: Hashable) -> bool:
        """Whether the last look was for this subject as well."""
        return self.subjects is None or subject in self.subjects


@dataclass(slots=True)
class NewEvents:
    """Events by when they came in, states of flow runs by when they were entered; both by the database's clock."""

    memory: Memory = field(default_factory=Memory)

    def look(self, tx: Tx, wanted: list[EventFilter]) -> list[ReceivedEvent]:
        names: set[str] | None = set()
        for each in wanted:
            names = None if names is None or each.names is None else names | set(each.names)
        keys = events.received_since(tx, tx.now - BACK, None if names is None else sorted(names))
        fresh = self.memory.note(keys, tx.now)
        found = events.by_ids(tx, fresh) if self.memory.subjects != set() else []
        told = [each for each in found if self.memory.looked_for(each.event)]
        self.memory.subjects = None if names is None else {*names}
        return told


@dataclass(slots=True)
class NewLogs:
    """Batches of lines, by the time that their ids tell."""

    memory: Memory = field(default_factory=Memory)

    def look(self, tx: Tx, wanted: list[Wanted]) -> list[Log]:
        runs: set[Hashable] | None = set()
        for each in wanted:
            asked = each.runs()
            runs = None if runs is None or asked is None else runs | set(asked)
        batches = logs.batches_since(tx, BACK, runs)
        fresh = set(self.memory.note((row.id for row in batches), tx.now))
        told = [row.id for row in batches if row.id in fresh and self.memory.looked_for(row.flow_run_id)]
        self.memory.subjects = runs
        return logs.of_batches(tx, told)


class Feeds:
    """The feeds of one app."""

    def __init__(self, store: Store) -> None:
        self.events: Feed[ReceivedEvent, EventFilter] = Feed(store, NewEvents)
        self.logs: Feed[Log, Wanted] = Feed(store, NewLogs)
