"""/events/in, /events/out and /logs/out: events and logs over websockets."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import TypeVar
from uuid import UUID

from anyio import EndOfStream, WouldBlock, create_memory_object_stream, create_task_group, to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from starlette.websockets import WebSocketDisconnect

from skylift.api import callers
from skylift.api import events as rest
from skylift.api.routing import Router
from skylift.api.sockets import FAULT, REFUSED, TRY_LATER, Connection, Greeted, while_open
from skylift.errors import ForbiddenError, InvalidError, SkyliftError
from skylift.feeds import Feeds, Listener
from skylift.models.api_keys import Role
from skylift.models.event_filters import EventFilter, Occurred
from skylift.models.events import Event, ReceivedEvent
from skylift.models.runs import Log
from skylift.store import Tx, event_sight, events, logs
from skylift.store.events import Page, Position
from skylift.store.filter_terms import Term
from skylift.store.logs import Wanted

logger = logging.getLogger(__name__)

T = TypeVar("T", ReceivedEvent, Log)
F = TypeVar("F")

BACKFILL = timedelta(minutes=15)
"""How far back a listener may ask for what it missed."""
PAGE = 200
MAX_PAST_LOGS = 1_000

router = Router(tags=["Events"])


# -- in ---------------------------------------------------------------------------------------------------------------


async def take_events(connection: Connection) -> None:
    """Store what comes, as much as is there at a time. Nobody waits for an answer; whoever is cut off sends again."""
    send, receive = create_memory_object_stream[Event](rest.AT_ONCE)
    try:
        async with create_task_group() as group:
            group.start_soon(_read, connection, send)
            while batch := await _batch(receive):
                if not await _stored(connection, batch):
                    group.cancel_scope.cancel()
                    return
    finally:
        send.close()
        receive.close()


async def _read(connection: Connection, out: MemoryObjectSendStream[Event]) -> None:
    """Pass events on until the other side has gone. One that is none must not take others along."""
    with out, suppress(WebSocketDisconnect):
        while True:
            frame = await connection.socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            try:
                event = Event.model_validate_json(frame.get("text") or frame.get("bytes") or b"")
            except (ValidationError, OverflowError, RecursionError):
                logger.warning("Something that is no event came in over a websocket, and was left out")
            else:
                await out.send(event)


async def _batch(source: MemoryObjectReceiveStream[Event]) -> list[Event]:
    """At least one event, and those that wait behind it; none once there will be no more."""
    batch = []
    with suppress(EndOfStream, WouldBlock):
        batch.append(await source.receive())
        while len(batch) < rest.AT_ONCE:
            batch.append(source.receive_nowait())
    return batch


async def _stored(connection: Connection, batch: list[Event]) -> bool:
    """Whether the batch is stored; if not, the connection is closed."""

    def work(tx: Tx) -> bool:
        caller = callers.still(tx, connection.caller)
        if caller:
            rest.store(tx, caller, batch)
        return caller is not None

    try:
        is_stored = await to_thread.run_sync(connection.parts.store.transaction, work)
    except (SkyliftError, DBAPIError) as error:
        logger.warning("Storing %d events failed: %s", len(batch), type(error).__name__)
        await connection.close(FAULT, "The events could not be stored: send them again")
        return False
    if not is_stored:
        await connection.close(REFUSED, "This run token is not valid any more")
    return is_stored


# -- out --------------------------------------------------------------------------------------------------------------


async def send_events(connection: Connection) -> None:
    """Send what the filter asks for: what there is since `occurred.since`, then what happens from now on."""
    frame = await connection.first_frame("filter")
    try:
        wanted = EventFilter.model_validate(frame.get("filter") or {})
    except (ValidationError, OverflowError) as error:
        raise InvalidError(f"This filter is not right: {_culprit(error)}") from None
    wanted.order = "ASC"
    feeds: Feeds = connection.socket.app.state.feeds

    async def work() -> None:
        async with feeds.events.listen(wanted, wanted.matches) as listener:
            sent = set()
            if frame.get("backfill", True):
                sent = await _send_past_events(connection, wanted)
            await _send_new(connection, listener, sent, _send_event, _sees_event(connection))

    await while_open(connection, work)


def _culprit(error: ValidationError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return "a time is out of range"
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


async def _send_past_events(connection: Connection, wanted: EventFilter) -> set[UUID]:
    """Says which were sent."""
    sent: set[UUID] = set()
    after: Position | None = None

    def read() -> Page:
        with connection.parts.store.reading() as tx:
            asked = wanted.occurred or Occurred()
            since = max(asked.since or tx.now - BACKFILL, tx.now - BACKFILL)
            recent = wanted.model_copy(update={"occurred": asked.model_copy(update={"since": since})})
            return events.find(tx, recent, PAGE, after, event_sight.of(tx, connection.caller.flow_run_id))

    while True:
        page = await to_thread.run_sync(read)
        for event in page.events:
            await _send_event(connection, event)
            sent.add(event.id)
        after = page.end
        if after is None:
            return sent


async def _send_event(connection: Connection, event: ReceivedEvent) -> None:
    await connection.socket.send_text(f'{{"type":"event","event":{event.model_dump_json()}}}')


def _sees_event(connection: Connection) -> Callable[[ReceivedEvent], Awaitable[bool]]:
    run = connection.caller.flow_run_id

    def look(event: ReceivedEvent) -> bool:
        with connection.parts.store.reading() as tx:
            return event_sight.of(tx, run)(event)

    async def sees(event: ReceivedEvent) -> bool:
        if run is None or event.flow_run_ids == [run]:
            return True
        return bool(event.flow_run_ids) and await to_thread.run_sync(look, event)

    return sees


async def send_logs(connection: Connection) -> None:
    """Send the lines that the filter asks for: those since `timestamp.after_`, then those that come in from now on."""
    frame = await connection.first_frame("filter")
    wanted = logs.read_wanted({"logs": frame.get("filter")})
    if connection.caller.is_run:
        await to_thread.run_sync(_must_see, connection, wanted)
    feeds: Feeds = connection.socket.app.state.feeds

    async def work() -> None:
        async with feeds.logs.listen(wanted, wanted.__contains__) as listener:
            sent = set()
            for log in await to_thread.run_sync(_past_logs, connection, wanted):
                await _send_log(connection, log)
                sent.add(log.id)
            await _send_new(connection, listener, sent, _send_log, _sees_log)

    await while_open(connection, work)


def _must_see(connection: Connection, wanted: Wanted) -> None:
    """A run must say which runs it means, and may see them, as over REST."""
    try:
        runs: list[UUID | None] = [*(wanted.runs() or [])]
        with connection.parts.store.reading() as tx:
            connection.caller.must_see(tx, *(runs or [None]))
    except ForbiddenError as error:
        raise InvalidError(str(error)) from None


def _past_logs(connection: Connection, wanted: Wanted) -> list[Log]:
    since = max((term.value for term in wanted.terms if term.operator == "after_"), default=None)
    if since is None:
        return []
    with connection.parts.store.reading(together=True) as tx:
        recent = Wanted((*wanted.terms, Term("timestamp", "after_", max(since, tx.now - BACKFILL))))
        return list(islice(logs.lines(tx, recent), MAX_PAST_LOGS))


async def _send_log(connection: Connection, log: Log) -> None:
    await connection.socket.send_text(f'{{"type":"log","log":{log.model_dump_json()}}}')


async def _sees_log(_log: Log) -> bool:
    return True


async def _send_new(
    connection: Connection,
    listener: Listener[T, F],
    sent: set[UUID],
    send: Callable[[Connection, T], Awaitable[None]],
    sees: Callable[[T], Awaitable[bool]],
) -> None:
    """Until the listener is too slow: then it comes again, and asks for what it missed."""
    while not listener.too_slow.is_set():
        thing = await listener.waiting.get()
        if thing.id in sent:
            sent.discard(thing.id)
        elif await sees(thing):
            await send(connection, thing)
    await connection.close(TRY_LATER, "More came than was taken: connect again")


router.add_api_websocket_route("/events/in", Greeted(take_events, after_end=True, role=Role.DEPLOYER))
router.add_api_websocket_route("/events/out", Greeted(send_events))
router.add_api_websocket_route("/logs/out", Greeted(send_logs))
