"""What Modal's records and pieces of output mean."""

from __future__ import annotations

from datetime import timedelta
from itertools import accumulate
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modal_proto import api_pb2

from skylift_modal.observe import MEANINGS, observe
from skylift_modal.output import EPOCH, last_lines, reads_from, whole_lines
from skylift_modal.records import Record

ATTEMPT = uuid4()


def record(status: str, exit_code: int = 0, *, began: bool = True, **more: object) -> Record:
    times = {"created_at": 100.0, "started_at": 101.0 if began else 0.0, "finished_at": 110.0 if status else 0.0}
    return Record("sb-1", "ap-1", ATTEMPT, status, exit_code, **{"placed": began, **times, **more})  # type: ignore[arg-type]


def test_every_status_of_the_protocol_has_a_meaning() -> None:
    names = {name.removeprefix("GENERIC_STATUS_") for name in dict(api_pb2.GenericResult.GenericStatus.items())}
    assert names - {"UNSPECIFIED"} == set(MEANINGS)


@pytest.mark.parametrize(
    ("status", "told", "exit_code", "words"),
    [
        ("SUCCESS", 0, 0, None),
        ("FAILURE", 3, 3, None),
        ("FAILURE", 0, 1, None),
        ("FAILURE", -9, 137, None),
        ("TERMINATED", 0, 137, "terminated"),
        ("TIMEOUT", 0, 124, "time limit"),
        ("IDLE_TIMEOUT", 0, 137, "idle"),
        ("KERNEL_OOM_KILL", 0, 137, "memory"),
        ("MEMORY_THRASHING_EVICTION", 0, 137, "memory"),
        ("MEMORY_MANAGER_EVICTION", 0, 137, "memory"),
        ("INTERNAL_FAILURE", 0, None, "Modal itself"),
        ("SOMETHING_NEW", 0, None, "SOMETHING_NEW"),
    ],
)
def test_of_what_had_begun(status: str, told: int, exit_code: int | None, words: str | None) -> None:
    seen = observe([record(status, told)])
    assert (seen.phase, seen.exit_code, seen.fault) == ("ended", exit_code, None)
    assert words is None or words in (seen.reason or "")
    assert seen.started_at is not None
    assert seen.ended_at is not None


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ("INIT_FAILURE", "setup"),
        ("FAILURE", "setup"),
        ("INTERNAL_FAILURE", "capacity"),
        ("TIMEOUT", "capacity"),
        ("MEMORY_MANAGER_EVICTION", "capacity"),
    ],
)
def test_of_what_never_began(status: str, fault: str) -> None:
    seen = observe([record(status, 1, began=False, words="Modal's own words")])
    assert (seen.phase, seen.exit_code, seen.fault) == ("ended", None, fault)
    assert "Modal's own words" in (seen.reason or "")
    assert seen.remedy


def test_a_failure_to_set_up_is_one_even_on_a_machine() -> None:
    assert observe([record("INIT_FAILURE", began=True)]).fault == "setup"


def test_phases() -> None:
    assert observe([]).phase == "gone"
    assert observe([record("", began=False)]).phase == "starting"
    assert observe([record("")]).phase == "running"


def test_of_several_any_that_runs_counts_and_then_the_one_that_ran_longest() -> None:
    turned_away = Record("sb-1", "ap-1", ATTEMPT, "SUCCESS", 0, "", 1, 2, 3)
    ran = Record("sb-2", "ap-1", ATTEMPT, "FAILURE", 4, "", 1.5, 2, 50)
    runs = Record("sb-2", "ap-1", ATTEMPT, "", 0, "", 1.5, 2)
    assert observe([turned_away, runs]).phase == "running"
    for order in ([turned_away, ran], [ran, turned_away]):
        seen = observe(order)
        assert seen.exit_code == 4
        assert seen.handle == order[0].handle, "which is the attempt's stays the oldest"


PIECES = st.lists(st.tuples(st.integers(0, 5), st.text(st.sampled_from("ab\n\u20ac"), max_size=9)), max_size=30)


@given(PIECES, st.lists(st.integers(0, 30)))
def test_however_it_is_cut_and_read_each_line_comes_once(cut: list[tuple[int, str]], looks: list[int]) -> None:
    """As it grows: at each look some more pieces are there, and only those since the last look are asked for."""
    instants = list(accumulate(step for step, _ in cut))
    pieces = [(EPOCH + timedelta(milliseconds=at), text) for at, (_, text) in zip(instants, cut, strict=True)]
    lines, offset = [], 0
    for upto in [*sorted(looks), len(pieces)]:
        since = reads_from(offset) or EPOCH
        there = [each for each in pieces[:upto] if each[0] >= since]
        more, offset = whole_lines(there, offset, ended=False)
        lines += [text for _, text in more]
    since = reads_from(offset) or EPOCH
    more, last = whole_lines([each for each in pieces if each[0] >= since], offset, ended=True)
    lines += [text for _, text in more]
    whole = "".join(text for _, text in pieces)
    assert lines == (whole.removesuffix("\n").split("\n") if whole else [])
    assert last < 2**63
    again = [each for each in pieces if each[0] >= (reads_from(last) or EPOCH)]
    assert whole_lines(again, last, ended=True) == ([], last)


def test_a_line_that_never_ends_is_cut() -> None:
    at = EPOCH + timedelta(days=1)
    lines, offset = whole_lines([(at, "x" * 600_000)], 0, ended=False)
    assert [len(text) for _, text in lines] == [600_000]
    assert whole_lines([(at, "x" * 600_000)], offset, ended=False) == ([], offset)


def test_the_last_lines() -> None:
    pieces = [(EPOCH, "one\ntw"), (EPOCH, "o\n"), (EPOCH, "three\n")]
    assert last_lines(pieces, 2) == ["two", "three"]
    assert last_lines(pieces, 0) == []
