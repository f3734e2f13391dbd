"""Reading what a child wrote: segments on disk in, lines of text out. Offsets count bytes from the first."""

from __future__ import annotations

import bisect
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from skylift_process.shim import SEGMENT

READ_LIMIT = 1 << 20
"""Bytes that one call reads at most."""
LINE_LIMIT = 1 << 16
"""Bytes after which a line is broken."""


@dataclass
class Output:
    """The output that is left on disk in one attempt's folder."""

    folder: Path
    numbers: list[int] = field(init=False)

    def __post_init__(self) -> None:
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            names = []
        self.numbers = sorted(int(name[7:]) for name in names if name.startswith("output.") and name[7:].isdigit())

    def end(self) -> int:
        if not self.numbers:
            return 0
        return self.numbers[-1] * SEGMENT + self._size(self.numbers[-1])

    def read(self, offset: int, limit: int) -> bytes:
        """What follows on `offset` without a gap, `limit` bytes at most."""
        parts: list[bytes] = []
        while limit > 0 and (number := offset // SEGMENT) in self.numbers:
            try:
                with open(self.folder / f"output.{number}", "rb") as file:
                    file.seek(offset % SEGMENT)
                    part = file.read(min(limit, SEGMENT - offset % SEGMENT))
            except FileNotFoundError:
                break
            if not part:
                break
            parts.append(part)
            offset += len(part)
            limit -= len(part)
        return b"".join(parts)

    def next_kept(self, offset: int) -> int:
        """`offset`, or the first byte after it that is still there."""
        if offset // SEGMENT in self.numbers or not self.numbers:
            return offset
        later = [number for number in self.numbers if number * SEGMENT > offset]
        return later[0] * SEGMENT if later else offset

    def seen(self, offset: int) -> datetime:
        """When the byte at `offset` came, to about 50 ms."""
        try:
            raw = (self.folder / f"times.{offset // SEGMENT}").read_bytes()
        except FileNotFoundError:
            raw = b""
        return _seen(raw, offset)

    def lines(self, offset: int, *, ended: bool) -> tuple[list[tuple[datetime, str]], int]:
        """Complete lines since `offset`, when they came, where to go on. At the end an open line counts."""
        found: list[tuple[datetime, str]] = []
        start = self.next_kept(offset)
        if start > offset:
            found.append((self.seen(start), f"[{start - offset} bytes of output were left out here]"))
        data = self.read(start, READ_LIMIT)
        whole = ended and start + len(data) >= self.end()
        times: dict[int, bytes] = {}
        position = 0
        while position < len(data):
            stop = data.find(b"\n", position, position + LINE_LIMIT)
            if stop >= 0:
                after = stop + 1
            elif len(data) - position >= LINE_LIMIT:
                stop = after = position + LINE_LIMIT
            elif whole or self._cut_off(start + len(data)):
                stop = after = len(data)
            else:
                break
            number = (start + position) // SEGMENT
            if number not in times:
                times[number] = self._times(number)
            found.append((_seen(times[number], start + position), to_text(data[position:stop])))
            position = after
        return found, start + position

    def last(self, count: int) -> list[str]:
        """The last `count` lines, an open one included."""
        if count <= 0:
            return []
        end = self.end()
        start = max(0, end - READ_LIMIT)
        start = min(self.next_kept(start), end)
        data = self.read(start, end - start)
        lines = data.split(b"\n")
        if lines and not lines[-1]:
            lines.pop()
        if start and len(lines) > 1:
            lines.pop(0)
        return [to_text(line[:LINE_LIMIT]) for line in lines[-count:]]

    def _cut_off(self, offset: int) -> bool:
        """Whether a gap follows, so that a line that is open there stays open."""
        return self.next_kept(offset) > offset

    def _times(self, number: int) -> bytes:
        try:
            return (self.folder / f"times.{number}").read_bytes()
        except FileNotFoundError:
            return b""

    def _size(self, number: int) -> int:
        try:
            return (self.folder / f"output.{number}").stat().st_size
        except FileNotFoundError:
            return 0


def to_text(line: bytes) -> str:
    """Readable whatever was written: bad UTF-8 and NUL are replaced; a progress bar is its last state."""
    text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _seen(times: bytes, offset: int) -> datetime:
    """The last mark at or before `offset` in a segment's records of 16 bytes: offset and Unix nanoseconds."""
    index = bisect.bisect_right(
        range(len(times) // 16), offset, key=lambda at: int.from_bytes(times[at * 16 : at * 16 + 8], "big")
    )
    if index == 0:
        return datetime.now(UTC)
    record = times[index * 16 - 16 : index * 16]
    return datetime.fromtimestamp(int.from_bytes(record[8:], "big") / 1e9, UTC)
