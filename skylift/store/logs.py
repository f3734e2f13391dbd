"""Logs: a compressed row for each posted batch and flow run, opened only when it is asked for.

Batches overlap in time (several processes of a run report at once), so reading merges them: lines are given out once no
batch that is still to be opened can begin before them.
"""

from __future__ import annotations

import heapq
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, Row, select

from skylift.errors import InvalidError
from skylift.ids import new_id
from skylift.models.runs import Log, LogCreate
from skylift.store.engine import Tx
from skylift.store.filter_terms import (
    Group,
    Term,
    int_value,
    operators,
    read_filter,
    text_value,
    time_value,
    uuid_value,
)
from skylift.store.filters import MAX_LIMIT
from skylift.store.tables import log_batches

MAX_MESSAGE = 1_000_000
"""Of one message, in characters; the rest is cut off."""
MAX_NAME = 1_000
ROW_LINES = 1_000
ROW_CHARACTERS = 1_000_000
"""A batch that is larger becomes several rows, so that a reader never opens much for little."""
MAX_POST = 20_000
"""Lines in one posted batch."""
MAX_LEVEL = 2**15
CUT = " … (cut off)"

FIELDS = {
    "flow_run_id": operators(uuid_value, "any_"),
    "task_run_id": operators(uuid_value, "any_", "is_null_"),
    "level": operators(int_value, "ge_", "le_"),
    "timestamp": operators(time_value, "before_", "after_"),
    "name": operators(text_value, "any_"),
}


def append(tx: Tx, logs: Sequence[LogCreate]) -> int:
    """Keep these lines; says how many rows that took. Raises `InvalidError` for a batch that is too large."""
    if len(logs) > MAX_POST:
        raise InvalidError(f"At most {MAX_POST} log lines may be posted at once", field="logs")
    runs: dict[UUID | None, list[LogCreate]] = defaultdict(list)
    for log in logs:
        runs[log.flow_run_id].append(log)
    rows = [_row(run, part) for run, lines in runs.items() for part in _parts(lines)]
    tx.run(log_batches.insert(), rows)
    return len(rows)


def find(
    tx: Tx,
    filters: Mapping[str, Any] | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> list[Log]:
    """What the wire's filter asks for: `{"logs": {"flow_run_id": …, "level": …, "timestamp": …}}`."""
    wanted = read_wanted(filters)
    if sort not in (None, "TIMESTAMP_ASC", "TIMESTAMP_DESC"):
        raise InvalidError(f"Cannot sort logs by {sort!r}; known: TIMESTAMP_ASC, TIMESTAMP_DESC", field="sort")
    if limit is not None and not 0 <= limit <= MAX_LIMIT:
        raise InvalidError(f"Invalid limit: must be less than or equal to {MAX_LIMIT}.", field="limit")
    if (offset or 0) < 0:
        raise InvalidError("Invalid offset: must be greater than or equal to 0.", field="offset")
    newest_first = sort == "TIMESTAMP_DESC"
    start, number = offset or 0, MAX_LIMIT if limit is None else limit
    return list(islice(_merged(tx, wanted, newest_first), start, start + number))


def lines(tx: Tx, wanted: Wanted) -> Iterator[Log]:
    """All lines that are wanted, the oldest first."""
    return _merged(tx, wanted, newest_first=False)


def batches_since(tx: Tx, ago: timedelta, runs: Iterable[Any] | None) -> list[Row[Any]]:
    """The ids and flow runs of batches that came in so recently; only of these runs where they are given.

    The ids tell when: they are made by the clock of the process that took the batch in.
    """
    first = UUID(int=int((datetime.now(UTC) - ago).timestamp() * 1000) << 80)
    query = select(log_batches.c.id, log_batches.c.flow_run_id).where(log_batches.c.id >= first)
    return tx.all(query if runs is None else query.where(log_batches.c.flow_run_id.in_(list(runs))))


def of_batches(tx: Tx, ids: Iterable[UUID]) -> list[Log]:
    """All lines of these batches, in order of time."""
    rows = tx.all(select(log_batches).where(log_batches.c.id.in_(list(ids))).order_by(log_batches.c.id))
    return sorted((log for row in rows for log in _open(row)), key=lambda log: log.timestamp)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are wanted."""

    terms: tuple[Term, ...]

    def runs(self) -> list[UUID] | None:
        """The runs that it is about; None: all."""
        lists = [set(term.value) for term in self.terms if term.field == "flow_run_id"]
        return sorted(set.intersection(*lists)) if lists else None

    def batches(self) -> Iterator[ColumnElement[bool]]:
        """What a row must fulfil to hold any such line."""
        runs = self.runs()
        if runs is not None:
            yield log_batches.c.flow_run_id.in_(runs)
        for term in self.terms:
            match term.field, term.operator:
                case "timestamp", "after_":
                    yield log_batches.c.last_at >= term.value
                case "timestamp", "before_":
                    yield log_batches.c.first_at <= term.value
                case "level", "ge_":
                    yield log_batches.c.max_level >= term.value
                case _:
                    pass

    def __contains__(self, log: Log) -> bool:
        return all(_holds(term, getattr(log, term.field)) for term in self.terms)


def read_wanted(filters: Mapping[str, Any] | None) -> Wanted:
    """Raises `InvalidError` naming what is not known."""
    others = [name for name, body in (filters or {}).items() if name != "logs" and body is not None]
    if others:
        raise InvalidError(f"The filter '{others[0]}' is not known; known here: logs", field=others[0])
    body = (filters or {}).get("logs")
    return Wanted(tuple(_terms(read_filter(body, FIELDS, "logs"))) if body is not None else ())


def _terms(group: Group) -> Iterator[Term]:
    if group.how != "and_" and len(group.parts) > 1:
        raise InvalidError("Filters of logs can only be joined by and_", field="logs.operator")
    for part in group.parts:
        if isinstance(part, Term):
            yield part
        else:
            yield from _terms(part)


def _holds(term: Term, value: Any) -> bool:
    match term.operator:
        case "any_":
            return bool(value in term.value)
        case "is_null_":
            return (value is None) is term.value
        case "ge_" | "after_":
            return bool(value >= term.value)
        case _:
            return bool(value <= term.value)


def _merged(tx: Tx, wanted: Wanted, newest_first: bool) -> Iterator[Log]:
    """The lines in order. Waiting ones are in a heap, whose first line is final once it lies before the next batch."""
    sign = -1 if newest_first else 1
    edge = log_batches.c.last_at.desc() if newest_first else log_batches.c.first_at.asc()
    query = select(log_batches).where(*wanted.batches()).order_by(edge, log_batches.c.id)
    heap: list[tuple[float, int, int, Log]] = []
    with tx.conn.execute(query, execution_options={"yield_per": 20}) as batches:
        for batch in batches:
            bound = sign * (batch.last_at if newest_first else batch.first_at).timestamp()
            while heap and heap[0][0] < bound:
                yield heapq.heappop(heap)[3]
            for index, log in enumerate(_open(batch)):
                if log in wanted:
                    place = sign * log.timestamp.timestamp()
                    # Of lines of the same instant the first posted comes first: ids sort by time.
                    heapq.heappush(heap, (place, sign * batch.id.int, sign * index, log))
    while heap:
        yield heapq.heappop(heap)[3]


def _parts(lines: list[LogCreate]) -> Iterator[list[LogCreate]]:
    part: list[LogCreate] = []
    characters = 0
    for line in lines:
        if part and (len(part) >= ROW_LINES or characters + len(line.message) > ROW_CHARACTERS):
            yield part
            part, characters = [], 0
        part.append(line)
        characters += len(line.message)
    yield part


def _row(flow_run_id: UUID | None, lines: list[LogCreate]) -> dict[str, Any]:
    return {
        "id": new_id(),
        "flow_run_id": flow_run_id,
        "first_at": min(line.timestamp for line in lines),
        "last_at": max(line.timestamp for line in lines),
        "max_level": max(_level(line.level) for line in lines),
        "lines": len(lines),
        "body": zlib.compress(json.dumps([_packed(line) for line in lines], separators=(",", ":")).encode(), 6),
    }


def _packed(line: LogCreate) -> list[Any]:
    message = line.message if len(line.message) <= MAX_MESSAGE else line.message[:MAX_MESSAGE] + CUT
    task = str(line.task_run_id) if line.task_run_id else None
    return [line.timestamp.astimezone(UTC).isoformat(), _level(line.level), line.name[:MAX_NAME], message, task]


def _level(level: int) -> int:
    return max(0, min(level, MAX_LEVEL))


def _open(row: Row[Any]) -> Iterable[Log]:
    for index, (at, level, name, message, task) in enumerate(json.loads(zlib.decompress(row.body))):
        timestamp = datetime.fromisoformat(at)
        yield Log(
            id=uuid5(row.id, str(index)),
            created=timestamp,
            updated=timestamp,
            name=name,
            level=level,
            message=message,
            timestamp=timestamp,
            flow_run_id=row.flow_run_id,
            task_run_id=UUID(task) if task else None,
        )
