"""Output comes once, in whole lines, whatever Azure keeps of it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger

from skylift.store.tables import attempts, ended_attempts
from skylift_container_instance.output import EPOCH, GAP, holds, lines_after, read_lines
from tests.clouds.azure import LocalAzure
from tests.providers.container_instance.support import ContainerInstanceHarness
from tests.providers.contract import new_launch, wait_for, watch

AT = datetime.fromisoformat("2026-01-02T03:04:05.678901+00:00")


def content(lines: list[tuple[int, str]]) -> str:
    """As Azure has it: (microseconds, text)."""
    return "".join(
        f"{(AT + timedelta(microseconds=at)).strftime('%Y-%m-%dT%H:%M:%S.%f')}123Z {text}\n" for at, text in lines
    )


def texts(found: str, offset: int = 0, *, ended: bool = False) -> list[str]:
    return [each.text for each in lines_after(found, offset, ended=ended)]


def test_lines_have_their_times() -> None:
    first, second = read_lines(content([(0, "one"), (7, "two  three")]))
    assert (first.at, first.text) == (AT, "one")
    assert (second.at - AT, second.text) == (timedelta(microseconds=7), "two  three")
    assert first.offset < second.offset < 2**63


def test_the_store_has_room_for_offsets() -> None:
    for table in (attempts, ended_attempts):
        assert isinstance(table.c.output_offset.type, BigInteger)


def test_other_forms_of_times() -> None:
    (line,) = read_lines("2026-01-02T05:04:05+02:00 x\n")
    assert line.at == datetime.fromisoformat("2026-01-02T03:04:05+00:00")
    assert [each.at for each in read_lines("no time at all\n")] == [EPOCH]


def test_a_line_that_is_still_open_waits() -> None:
    whole = content([(0, "one"), (1, "two")])
    assert texts(whole[:-2]) == ["one"]
    assert texts(whole[:-2], ended=True) == ["one", "tw"]
    assert texts("") == []


def test_empty_lines_are_lines_and_progress_bars_their_last_state() -> None:
    assert texts(content([(0, "a"), (1, ""), (2, "10 %\r20 %\r"), (3, "n\0l")])) == [
        "a",
        "",
        "20 %",
        "n\N{REPLACEMENT CHARACTER}l",
    ]


def test_what_azure_has_dropped_is_said() -> None:
    lines = [(number, str(number)) for number in range(10)]
    offset = read_lines(content(lines[:3]))[-1].offset
    assert texts(content(lines[5:]), offset) == [GAP, "5", "6", "7", "8", "9"]
    assert texts(content(lines[2:]), offset) == ["3", "4", "5", "6", "7", "8", "9"]


def test_of_the_first_microsecond_lines_may_be_missing() -> None:
    lines = [(0, "a"), (0, "b"), (0, "c"), (1, "d")]
    second = read_lines(content(lines))[1]
    assert not holds(content(lines[1:]), second.offset), "what is numbered so there may be another"
    assert holds(content([(-1, "x"), *lines]), second.offset)


@given(
    steps=st.lists(st.sampled_from([0, 0, 1, 50, -3]), max_size=60),
    pieces=st.integers(1, 6),
    seed=st.integers(0, 100),
)
def test_every_line_once_and_in_order(steps: list[int], pieces: int, seed: int) -> None:
    """However often it is read while it grows; times may repeat and, between stdout and stderr, run backwards."""
    at, lines = 0, []
    for number, step in enumerate(steps):
        at = max(0, at + step)
        lines.append((at, f"line {number}"))
    whole = content(lines)
    chance = random.Random(seed)
    cuts = [*sorted(chance.randrange(len(whole) + 1) for _ in range(pieces)), len(whole)]
    found: list[str] = []
    offset = 0
    for cut in cuts:
        more = lines_after(whole[:cut], offset, ended=cut == len(whole))
        found += [each.text for each in more]
        offset = more[-1].offset if more else offset
    assert found == [text for _, text in lines]
    assert texts(whole, offset, ended=True) == []


def collect(harness: ContainerInstanceHarness, script: str, *, enough: str) -> list[str]:
    """All that comes until this line, read again and again."""
    launch = new_launch(harness.base(["sh", "-c", script], {}))
    provider = harness.provider()
    provider.launch(launch)
    found: list[str] = []
    offset = 0

    def more() -> list[str]:
        nonlocal offset
        lines, offset = provider.output_since(watch(launch), offset)
        found.extend(text for _, text in lines)
        return found

    wait_for(more, lambda lines: enough in lines, harness.patience)
    return found


def test_a_lot_of_output_over_the_wire(harness: ContainerInstanceHarness) -> None:
    script = "i=0; while [ $i -lt 2500 ]; do echo line $i; i=$((i+1)); done; sleep 0.4; echo last; exec sleep 60"
    assert collect(harness, script, enough="last") == [f"line {number}" for number in range(2500)] + ["last"]


def test_the_end_of_what_was_longer_than_azure_keeps(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    launch = new_launch(harness.base(["sh", "-c", "seq 5000"], {}))
    provider = harness.provider()
    provider.launch(launch)
    wait_for(lambda: provider.status([watch(launch)])[launch.attempt_id].phase, lambda phase: phase == "ended", 10)
    lines, offset = provider.output_since(watch(launch), 0)
    assert min(at for at, _ in lines) > launch.claimed_at, "the rest of a line that was cut has a time of this day"
    assert [text for _, text in lines][-1] == "5000"
    assert len(lines) <= 1000, "which is what Azure keeps of a stopped one"
    assert provider.output_since(watch(launch), offset) == ([], offset)
    assert provider.logs(watch(launch), 3) == ["4998", "4999", "5000"]
