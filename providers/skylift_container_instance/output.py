"""Pure: a container's log, as Azure hands it out with timestamps, in whole lines that are each given once.

Azure keeps the last 4 MB of a running container, and 16 KB or 1000 lines of a stopped one; there is no cursor. So an
offset names the last line that was given: its time in microseconds times 1000, plus which of that microsecond's lines
it was.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MOST_LINES = 10_000
"""Given at once."""
SAME_MICROSECOND = 1000
GAP = "[Azure has dropped output here: it keeps 4 MB of a running container, and 16 KB of a stopped one]"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d) ?")


@dataclass(frozen=True, slots=True)
class Line:
    offset: int
    text: str

    @property
    def at(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.offset // SAME_MICROSECOND)


def is_open(content: str) -> bool:
    """Whether the last line may go on."""
    return bool(content) and not content.endswith("\n")


def read_lines(content: str) -> list[Line]:
    """All lines, an open one included. One without a timestamp has that of the line before; the first, which may be the
    rest of a line that was cut, that of the next."""
    found: list[Line] = []
    seen: Counter[int] = Counter()
    first = _STAMP.search(content)
    at = _microseconds(first) if first else 0
    for raw in content.split("\n"):
        stamp = _STAMP.match(raw)
        if stamp:
            at, raw = _microseconds(stamp), raw[stamp.end() :]
        elif not raw:
            continue  # the end of the text: a line that is empty has its time
        seen[at] = min(seen[at] + 1, SAME_MICROSECOND - 1)
        found.append(Line(at * SAME_MICROSECOND + seen[at], to_text(raw)))
    return found


def holds(content: str, offset: int) -> bool:
    """Whether the line of this offset is certainly there. Of the first microsecond some lines may be cut off."""
    lines = read_lines(content)
    return any(each.offset == offset and each.at != lines[0].at for each in lines)


def lines_after(content: str, offset: int, *, ended: bool) -> list[Line]:
    """What follows the line of this offset, with a line that says so where Azure has dropped some in between."""
    lines = read_lines(content)
    if is_open(content) and not ended:
        lines.pop()
    known = [number for number, each in enumerate(lines) if each.offset == offset]
    if known:
        return lines[known[-1] + 1 :][:MOST_LINES]
    new = [each for each in lines if each.offset > offset]
    if offset and new and new[0] is lines[0]:
        new.insert(0, Line(new[0].offset - 1, GAP))
    return new[:MOST_LINES]


def to_text(raw: str) -> str:
    """Readable whatever was written: NUL is replaced; a progress bar is its last state."""
    return raw.rstrip("\r").rpartition("\r")[2].replace("\0", "\N{REPLACEMENT CHARACTER}")


def _microseconds(stamp: re.Match[str]) -> int:
    seconds, fraction, zone = stamp.groups()
    at = datetime.fromisoformat(seconds + zone.replace("Z", "+00:00"))
    return (at - EPOCH) // timedelta(microseconds=1) + int((fraction or "").ljust(6, "0")[:6])
