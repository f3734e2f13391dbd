"""Pure: lines, offsets and ends, from what engines say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift_docker.client import Piece, _frames
from skylift_docker.observing import ended, instant, is_overdue, unended
from skylift_docker.output import Offset, last_lines, read_on

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PIECE = 6
"""Bytes of the longest piece here; engines take 8 or 16 KiB."""


def written(lines: list[tuple[int, str]], *, fine: bool, stream: int = 1) -> list[Piece]:
    """As an engine keeps lines of so many milliseconds after the begin; `fine`: Docker's nanoseconds, or Podman's
    seconds."""
    pieces: list[Piece] = []
    for milliseconds, line in lines:
        at = BEGAN + timedelta(milliseconds=milliseconds)
        stamp = at.strftime("%Y-%m-%dT%H:%M:%S") + (f".{at.microsecond:06d}000Z" if fine else "Z")
        raw = line.encode() + b"\n"
        pieces += [(stream, f"{stamp} ".encode() + raw[start : start + PIECE]) for start in range(0, len(raw), PIECE)]
    return pieces


def since(pieces: list[Piece], second: int) -> list[Piece]:
    """What an engine tells of them from a second on."""
    return [(stream, piece) for stream, piece in pieces if int(_at(piece).timestamp()) >= second]


def _at(piece: bytes) -> datetime:
    found = instant(piece.split(b" ")[0].decode())
    assert found
    return found


LINES = st.lists(
    st.tuples(st.integers(0, 400), st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])))
)


@given(LINES, st.lists(st.integers(0, 60)), st.booleans())
def test_every_line_comes_once_however_often_is_asked(
    gaps: list[tuple[int, str]], looks: list[int], fine: bool
) -> None:
    at, lines = 0, []
    for gap, text in gaps:
        at += gap
        lines.append((at, text))
    pieces = written(lines, fine=fine)
    got, offset = list[str](), 0
    for end in [*sorted(looks), len(pieces)]:
        there = since(pieces[:end], Offset.read(offset).second - 1)
        more, offset = read_on(there, offset, is_over=False)
        got += [text for _, text in more]
    assert got == [text for _, text in lines]
    assert read_on(since(pieces, Offset.read(offset).second - 1), offset, is_over=True) == ([], offset)
    assert offset < 2**63


def test_a_line_that_comes_late_is_not_lost() -> None:
    """Two streams of a container: one is written down before the other, with a later instant."""
    late, early = (1, b"2026-01-01T00:00:01.000000001Z b\n"), (2, b"2026-01-01T00:00:00.999999999Z a\n")
    lines, offset = read_on([late], 0, is_over=False)
    assert [text for _, text in lines] == ["b"]
    lines, offset = read_on([late, early], offset, is_over=False)
    assert [text for _, text in lines] == ["a"]
    assert read_on([late, early], offset, is_over=True) == ([], offset)


def test_a_last_line_without_an_end() -> None:
    pieces = [(1, b"2026-01-01T00:00:00Z one\n"), (1, b"2026-01-01T00:00:00Z two")]
    lines, offset = read_on(pieces, 0, is_over=False)
    assert [text for _, text in lines] == ["one"]
    lines, offset = read_on(pieces, offset, is_over=True)
    assert [text for _, text in lines] == ["two"]
    assert read_on(pieces, offset, is_over=True) == ([], offset)
    assert last_lines(pieces, 1) == ["two"]
    assert last_lines(pieces, 5) == ["one", "two"]
    assert last_lines([], 5) == []


def test_lines_of_two_streams_are_not_mixed() -> None:
    def piece(stream: int, second: int, text: bytes) -> Piece:
        return stream, b"2026-01-01T00:00:%02dZ %b" % (second, text)

    pieces = [piece(1, 1, b"a"), piece(2, 1, b"x"), piece(1, 1, b"b\n"), piece(2, 2, b"y\n"), piece(1, 2, b"c")]
    assert read_on(pieces[:3], 0, is_over=False) == ([], 0), "what is behind an open line waits for its end"
    lines, offset = read_on(pieces, 0, is_over=False)
    assert [text for _, text in lines] == ["ab", "xy"]
    pieces += [piece(2, 20, b"z\n")]
    lines, offset = read_on(pieces, offset, is_over=False)
    assert sorted(text for _, text in lines) == ["c", "z"], "a line without an end is shown after a while"
    assert read_on(pieces, offset, is_over=True) == ([], offset)


def test_much_comes_in_portions() -> None:
    pieces = written([(number, "x" * 1000) for number in range(3000)], fine=False)
    offsets, count, offset = [0], 0, 0
    while True:
        lines, offset = read_on(since(pieces, Offset.read(offset).second - 1), offset, is_over=True)
        if not lines:
            break
        count += len(lines)
        offsets.append(offset)
    assert count == 3000
    assert len(offsets) > 3
    assert all(before < after for before, after in pairwise(offsets))


@given(st.lists(st.binary(min_size=0, max_size=50)), st.integers(1, 30))
def test_frames_are_taken_apart(contents: list[bytes], size: int) -> None:
    raw = b"".join(b"\x01\0\0\0" + len(each).to_bytes(4, "big") + each for each in contents)
    assert list(_frames(raw[start : start + size] for start in range(0, len(raw), size))) == [
        (1, each) for each in contents
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-25T13:22:23.118072073Z", datetime(2026, 11, 25, 13, 22, 23, 118072, tzinfo=UTC)),
        ("2026-11-25T13:22:23Z", datetime(2026, 11, 25, 13, 22, 23, tzinfo=UTC)),
        ("2026-11-25T15:22:23.1+02:00", datetime(2026, 11, 25, 13, 22, 23, 100000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_instants(text: str | None, expected: datetime | None) -> None:
    assert instant(text) == expected


def state(**more: object) -> dict[str, object]:
    began = {"StartedAt": "2026-01-01T00:00:10Z", "FinishedAt": "2026-01-01T00:00:20Z", "ExitCode": 0}
    return {"State": {**began, **more}, "HostConfig": {"Memory": 64 * 2**20}}


def test_ends() -> None:
    well = ended("h", state(), None)
    assert (well.phase, well.exit_code, well.reason, well.handle) == ("ended", 0, None, "h")
    oom = ended("h", state(ExitCode=137, OOMKilled=True), None)
    assert "out of memory" in str(oom.reason)
    assert "64 MiB" in str(oom.reason)
    assert "mem_limit" in str(oom.remedy)
    killed = ended("h", state(ExitCode=137), None)
    assert "memory" in str(killed.reason)
    overtime = ended("h", state(ExitCode=143), 10.0)
    assert "time limit of 10 s" in str(overtime.reason)
    coarse = ended("h", state(FinishedAt="2026-01-01T00:00:09Z"), None)
    assert coarse.started_at == coarse.ended_at
    never = ended("h", state(StartedAt="0001-01-01T00:00:00Z", Error="no such device"), None)
    assert (never.fault, never.exit_code, never.reason) == ("setup", None, "no such device")
    assert never.remedy


def test_phases_that_the_list_tells() -> None:
    for told, phase in {
        "created": "starting",
        "running": "running",
        "stopping": "running",
        "paused": "running",
    }.items():
        seen = unended("h", told)
        assert seen
        assert seen.phase == phase
    assert unended("h", "exited") is unended("h", "dead") is None


def test_time_limits() -> None:
    now = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert is_overdue(state(Running=True), 49, now)
    assert not is_overdue(state(Running=True), 51, now)
    assert not is_overdue(state(Running=False), 1, now)
