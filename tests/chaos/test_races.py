"""A dispatcher that is only slow, while another takes its attempt for lost: user code runs once.

The first stops itself (SIGSTOP) inside the launch; the second heals the attempt and launches it; the first goes on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from uuid import UUID

import pytest

from skylift.models.states import StateCreate, StateType
from skylift.store import proposals
from skylift.transitions import Author
from tests.chaos import points
from tests.chaos.evidence import Limits, find_faults
from tests.chaos.place import Place, state_letter, wait_until

LEASE = 1.0
SLOW = [
    "claimed",
    "frozen",
    "before the launch",
    "folder prepared",
    "shim spawned",
    points.IN_REQUEST,
    "shim answered",
    "launched",
]
"""Where the first one pauses: between two transactions, so that on SQLite too the second can go on."""
BEFORE_THE_START = SLOW[:6]
on_sqlite_and_at_length_on_postgres = pytest.mark.parametrize(
    "store_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)


def start_stopped(place: Place, deployment: UUID, slow: list[str]) -> dict[int, UUID]:
    """For each point a run and its dispatcher, which has paused there: its pid, and the run."""
    paused = {}
    for point in slow:
        (run,) = place.runs(1, deployment)
        pid = place.start(strike={"point": point, "signal": signal.SIGSTOP}, observes=False)
        wait_until(f"a dispatcher has paused at {point}", lambda pid=pid: state_letter(pid) == "T", 20, 0.01)  # type: ignore[misc]
        paused[pid] = run
    return paused


def go_on(place: Place, pids: Iterable[int]) -> None:
    """Let the slow ones finish what they were at, and end."""
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    place.stop(pids)


def check_once(place: Place) -> None:
    assert not find_faults(place.lines(), place.asked, Limits())
    assert set(place.states().values()) == {"COMPLETED"}


@on_sqlite_and_at_length_on_postgres
def test_slow_ones_go_on_while_the_runs_are_under_way(place: Place) -> None:
    place.pool(lease=LEASE)
    slow = start_stopped(place, place.deployment("bare", lasts=2.5), SLOW)
    quick = place.start(call_timeout=1.0, strays=True)
    wait_until("all runs have started", lambda: len(place.lines()) >= len(SLOW), 30)
    go_on(place, slow)
    place.wait_for_end(30)
    place.stop([quick])
    check_once(place)


@on_sqlite_and_at_length_on_postgres
def test_slow_ones_go_on_when_all_is_over(place: Place) -> None:
    """By then the attempts' folders are gone, and with them all that the provider could know of them."""
    place.pool(lease=LEASE)
    slow = start_stopped(place, place.deployment("bare", lasts=0.05), SLOW)
    quick = place.start(call_timeout=1.0, strays=True)
    wait_until("all runs have ended", lambda: not place.unfinished(), 40)
    wait_until("all are cleaned up", lambda: not place.leftovers(processes=False), 40)
    go_on(place, slow)
    place.wait_for_end(40)
    place.stop([quick])
    check_once(place)


def test_runs_cancelled_while_their_launch_is_slow_never_start(place: Place) -> None:
    """The leases are long: the slow ones are still their own masters, and only the provider can hold them."""
    place.pool(lease=60.0)
    slow = start_stopped(place, place.deployment("bare", lasts=0.05), BEFORE_THE_START)
    for run in slow.values():
        wanted = StateCreate(type=StateType.CANCELLING)
        place.parts.store.transaction(proposals.propose, run, wanted, Author.PERSON)
    quick = place.start(strays=True)
    wait_until("all are cancelled", lambda: set(place.states().values()) == {"CANCELLED"}, 30)
    place.stop([quick])
    go_on(place, slow)
    assert not place.lines(), "a cancelled run was started"
    assert set(place.states().values()) == {"CANCELLED"}
