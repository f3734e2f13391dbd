"""Pure: whole lines from the pieces in which engines give what a container wrote.

Each piece has its instant in front: of nanoseconds in Docker, of seconds in Podman's answers. A long line comes in
several pieces, of which only the last one ends it; pieces of the other stream may come in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from skylift_docker.client import Piece
from skylift_docker.observing import instant

SHIFT = 30
MOST = 2**20
"""Bytes that one reading returns, about."""
ENOUGH = 1000
LONGEST_WAIT = timedelta(seconds=10)
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?")


@dataclass(frozen=True, slots=True)
class Offset:
    """Where to go on: `count` pieces are behind us, counted from the first one of `second` (or later) on.

    Not an instant alone, because many pieces may have the same one; not a count alone, because the engine would have
    to tell everything from the beginning each time. Pieces are only ever added at the end.
    """

    second: int
    """Since 1970."""
    count: int

    @classmethod
    def read(cls, value: int) -> Offset:
        return cls(value >> SHIFT, value & (2**SHIFT - 1))

    def __int__(self) -> int:
        return (self.second << SHIFT) | self.count


@dataclass
class Reading:
    """Lines as they become whole, and up to where everything has."""

    lines: list[tuple[datetime, str]] = field(default_factory=list)
    parts: dict[int, list[bytes]] = field(default_factory=dict)
    """Of lines without an end yet, by stream."""
    since: datetime | None = None
    """The instant of the oldest of these parts."""
    size: int = 0

    def take(self, stream: int, at: datetime, written: bytes) -> None:
        self.parts.setdefault(stream, []).append(written)
        self.since = self.since or at
        self.size += len(written)
        if written.endswith(b"\n"):
            self._end(stream, at)

    def end_all(self, at: datetime) -> None:
        for stream in list(self.parts):
            self._end(stream, at)

    def _end(self, stream: int, at: datetime) -> None:
        self.lines.append((at, _text(self.parts.pop(stream)).removesuffix("\n")))
        self.since = self.since if self.parts else None

    def is_stuck(self, at: datetime) -> bool:
        """Whether a line has had no end for so long that what is there is shown: a progress bar, a question."""
        return self.since is not None and (at - self.since > LONGEST_WAIT or self.size > 4 * MOST)


def read_on(pieces: Iterable[Piece], offset: int, *, is_over: bool) -> tuple[list[tuple[datetime, str]], int]:
    """The lines after `offset`, and the offset after them. `pieces`: at least from the offset's second on. `is_over`:
    nothing more comes, so that a last line without an end is one."""
    start = Offset.read(offset)
    at = datetime.fromtimestamp(start.second, UTC)
    seen: list[int] = []
    """The seconds of the pieces from the offset's first one on; each at least that of the one before."""
    reading, whole, taken = Reading(), 0, start.count
    for stream, piece in pieces:
        when, written = _stamped(piece, at)
        second = int(when.timestamp())
        if not seen and second < start.second:
            continue
        seen.append(max(second, seen[-1] if seen else second))
        if len(seen) <= start.count:
            continue
        at = when
        reading.take(stream, at, written)
        if reading.is_stuck(at):
            reading.end_all(at)
        if not reading.parts:
            whole, taken = len(reading.lines), len(seen)
            if reading.size > MOST:
                break
    if is_over and reading.parts:
        reading.end_all(at)
        whole, taken = len(reading.lines), len(seen)
    return reading.lines[:whole], int(_after(seen, taken, start))


def _after(seen: list[int], taken: int, start: Offset) -> Offset:
    """The same place, counted from the latest second in which a piece was taken: the less is told again next time."""
    if taken <= start.count or taken > len(seen):
        return start
    last = seen[taken - 1]
    before = next(index for index, second in enumerate(seen) if second == last)
    return Offset(last, taken - before)


def _stamped(piece: bytes, otherwise: datetime) -> tuple[datetime, bytes]:
    match = _STAMP.match(piece)
    when = instant(match[1].decode()) if match else None
    return (when, piece[match.end() :]) if match and when else (otherwise, piece)


def _text(parts: Iterable[bytes]) -> str:
    """Decoded only when it is whole: a character may stand in two pieces."""
    return b"".join(parts).decode(errors="replace")


def last_lines(pieces: Iterable[Piece], last: int) -> list[str]:
    reading, now = Reading(), datetime.now(UTC)
    for stream, piece in pieces:
        reading.take(stream, now, _stamped(piece, now)[1])
        if len(reading.lines) > last + ENOUGH:
            del reading.lines[:-last]
    reading.end_all(now)
    return [text for _, text in reading.lines[-last:]] if last > 0 else []
