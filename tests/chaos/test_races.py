"""A dispatcher that is only slow, while another takes its attempt for lost: user code runs once.

The first stops itself (SIGSTOP) inside the launch; the second heals the attempt and launches it; the first goes on.
"""

from __future__ import annotations

import os
import signal
from uuid import UUID

import pytest

from skylift.models.states import StateCreate, StateType
from skylift.store import runs
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
"""Where the first one pauses."""


def start_stopped(place: Place, point: str) -> int:
    """A dispatcher that has paused at the point."""
    pid = place.start(strike={"point": point, "signal": signal.SIGSTOP}, observes=False)
    wait_until(f"the first dispatcher has paused at {point}", lambda: state_letter(pid) == "T", 20, 0.01)
    return pid


def go_on(place: Place, pid: int) -> None:
    """Let the first dispatcher finish what it was at, and end."""
    os.kill(pid, signal.SIGCONT)
    place.stop([pid])


def check_once(place: Place) -> None:
    assert not find_faults(place.lines(), place.asked, Limits())
    assert set(place.states().values()) == {"COMPLETED"}


@pytest.mark.parametrize("point", SLOW)
def test_the_slow_one_goes_on_while_the_run_is_under_way(place: Place, point: str) -> None:
    place.pool(lease=LEASE)
    place.runs(1, place.deployment("bare", lasts=1.5))
    slow = start_stopped(place, point)
    quick = place.start(call_timeout=1.0, strays=True)
    wait_until("the run has started", lambda: bool(place.lines()), 30)
    go_on(place, slow)
    place.wait_for_end(30)
    place.stop([quick])
    check_once(place)


@pytest.mark.parametrize("point", SLOW)
def test_the_slow_one_goes_on_when_all_is_over(place: Place, point: str) -> None:
    """By then the attempt's folder is gone, and with it all that the provider could know of it."""
    place.pool(lease=LEASE)
    place.runs(1, place.deployment("bare", lasts=0.05))
    slow = start_stopped(place, point)
    quick = place.start(call_timeout=1.0, strays=True)
    place.wait_for_end(40)
    go_on(place, slow)
    place.wait_for_end(40)
    place.stop([quick])
    check_once(place)


def cancel(place: Place, run: UUID) -> None:
    place.parts.store.transaction(runs.propose, run, StateCreate(type=StateType.CANCELLING), Author.PERSON)


@pytest.mark.parametrize("point", ["claimed", "frozen", "before the launch", "folder prepared", "shim spawned"])
def test_a_run_cancelled_while_its_launch_is_slow_never_starts(place: Place, point: str) -> None:
    """The lease is long: when the first goes on it is still its own master, and only the provider can hold it."""
    place.pool(lease=60.0)
    (run,) = place.runs(1, place.deployment("bare", lasts=0.05))
    slow = start_stopped(place, point)
    cancel(place, run)
    quick = place.start(strays=True)
    wait_until("the run is cancelled", lambda: place.states()[str(run)] == "CANCELLED", 30)
    wait_until("its attempt is over", lambda: not [one for one in place.leftovers() if "attempt" in one], 30)
    go_on(place, slow)
    place.stop([quick])
    assert not place.lines(), "a cancelled run was started"
    assert place.states() == {str(run): "CANCELLED"}
