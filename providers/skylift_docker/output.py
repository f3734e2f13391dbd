"""Pure: whole lines from the pieces in which engines give what a container wrote.

Each piece has its instant in front: of nanoseconds in Docker, of seconds in Podman's answers. A long line comes in
several pieces, of which only the last one ends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from skylift_docker.observing import instant

SHIFT = 30
MOST = 2**20
"""Characters that one reading returns, about."""
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


def read_on(pieces: Iterable[bytes], offset: int, *, is_over: bool) -> tuple[list[tuple[datetime, str]], int]:
    """The lines after `offset`, and the offset after them. `pieces`: at least from the offset's second on. `is_over`:
    nothing more comes, so that a last line without an end is one."""
    start = Offset.read(offset)
    seen: list[int] = []
    """The seconds of the pieces from the offset's first one on; each at least that of the one before."""
    lines: list[tuple[datetime, str]] = []
    parts: list[bytes] = []
    at = datetime.fromtimestamp(start.second, UTC)
    taken, size = start.count, 0
    for piece in pieces:
        when, written = _stamped(piece, at)
        second = int(when.timestamp())
        if not seen and second < start.second:
            continue
        seen.append(max(second, seen[-1] if seen else second))
        if len(seen) <= start.count:
            continue
        at = when
        parts.append(written)
        if written.endswith(b"\n"):
            lines.append((at, _text(parts).removesuffix("\n")))
            size += len(lines[-1][1])
            parts, taken = [], len(seen)
            if size > MOST:
                return lines, int(_after(seen, taken, start))
    if parts and is_over:
        lines.append((at, _text(parts)))
        taken = len(seen)
    return lines, int(_after(seen, taken, start))


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


def last_lines(pieces: Iterable[bytes], last: int) -> list[str]:
    now = datetime.now(UTC)
    text = _text(_stamped(piece, now)[1] for piece in pieces)
    return text.removesuffix("\n").split("\n")[-last:] if text and last > 0 else []
