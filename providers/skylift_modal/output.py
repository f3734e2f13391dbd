"""Pure: whole lines out of the pieces in which Modal keeps a sandbox's output.

Where the reading has got to is one number, because that is what the port keeps: the millisecond of the piece that was
read last, and how many characters were read of what came in that millisecond or later. So each call asks Modal only for
what is new, and nothing has to be remembered here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
CHARACTERS = 22
"""Bits for the characters; 41 are left for the milliseconds, which lasts until 2089."""
MOST = (1 << CHARACTERS) - 1
LONGEST_LINE = 500_000
"""Characters after which a line that does not end is cut."""
Piece = tuple[datetime, str]


def reads_from(offset: int) -> datetime | None:
    """The instant to ask from; None: from the beginning."""
    return EPOCH + timedelta(milliseconds=offset >> CHARACTERS) if offset else None


def whole_lines(pieces: Sequence[Piece], offset: int, *, ended: bool) -> tuple[list[Piece], int]:
    """The new lines with the instants they were seen, and the offset to go on from.

    `pieces` are those from `reads_from(offset)` on, or more; `ended`: whether what has no newline yet will get none.
    """
    since, skipped = offset >> CHARACTERS, offset & MOST
    new = [(at, text) for at, text in pieces if _milliseconds(at) >= since]
    data = "".join(text for _, text in new)
    end = _end(data, skipped, ended=ended)
    if end <= skipped:
        return [], offset
    ends = list(accumulate(len(text) for _, text in new))
    lines, start = [], skipped
    for line in data[skipped:end].removesuffix("\n").split("\n"):
        lines.append((new[min(bisect_right(ends, start), len(new) - 1)][0], line.removesuffix("\r")))
        start += len(line) + 1
    return lines, _offset(new, ends, end)


def last_lines(pieces: Sequence[Piece], number: int) -> list[str]:
    return "".join(text for _, text in pieces).splitlines()[-number:] if number > 0 else []


def _end(data: str, start: int, *, ended: bool) -> int:
    """Up to where whole lines reach."""
    if ended:
        return len(data)
    end = data.rfind("\n", start) + 1
    return len(data) if not end and len(data) - start > LONGEST_LINE else end


def _offset(pieces: Sequence[Piece], ends: Sequence[int], position: int) -> int:
    """For what was read up to `position`."""
    millisecond = _milliseconds(pieces[bisect_left(ends, position)][0])
    first = next(index for index, (at, _) in enumerate(pieces) if _milliseconds(at) >= millisecond)
    read = position - (ends[first] - len(pieces[first][1]))
    if read > MOST:  # more than four million characters in one millisecond: the rest of them is left out
        return (millisecond + 1) << CHARACTERS
    return millisecond << CHARACTERS | read


def _milliseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)
