"""Defects that are put into the dispatchers of the harness: the checker of storms finds each, every time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.place import Place, open_place, state_letter, wait_until
from tests.chaos.storm import history, rules

LEASE = 3.0
both = pytest.mark.parametrize("planted", [True, pytest.param(False, marks=pytest.mark.long)], ids=["planted", "sound"])


@contextmanager
def judged(url: str, folder: Path, rule: str, *, planted: bool) -> Iterator[Place]:
    """A place whose history breaks this rule if, and only if, a defect was planted."""
    with open_place(url, folder) as place:
        yield place
        asked: dict[str, Any] = {"acts": [], "slots": [], "thefts": [], "cancelled": []}
        asked["until"] = datetime.now(UTC).isoformat()
        history.record(place.parts.store, folder, asked=asked, witness={"left": {}, "lost": []})
    found = rules.judge(history.read(folder))
    broken = {name for name, faults in found.items() if faults}
    assert any(name.startswith(rule) for name in broken) if planted else not broken, found


@both
def test_claims_without_a_lock(postgres_url: str, tmp_path: Path, planted: bool) -> None:
    """One that sleeps before it commits its claim, and another that claims what has come meanwhile."""
    bug = "claim without lock" if planted else ""
    with judged(postgres_url, tmp_path, "2", planted=planted) as place:
        place.pool(limit=2)
        place.queue("top", 1)
        deployment = place.deployment("bare", lasts=1.0)
        place.runs(2, deployment)
        slow = asleep(place, bug=bug, point="claiming")
        place.runs(2, deployment, "top")
        quick = place.start(bug=bug)
        if planted:
            wait_until("the other has claimed as well", lambda: bool(place.lines()), 60)
        else:
            place.host.wait(quick, 2.0)  # it waits for the first
        os.kill(slow, signal.SIGCONT)
        place.wait_for_end(60)
        place.stop([slow, quick])


def asleep(place: Place, *, bug: str, point: str) -> int:
    """A dispatcher that has been paused there."""
    pid = place.start(bug=bug, observes=False, strike={"point": point, "signal": signal.SIGSTOP})
    wait_until("it sleeps", lambda: state_letter(pid) == "T", 40, 0.01)
    return pid


@both
def test_a_launch_without_its_token(sqlite_url: str, tmp_path: Path, planted: bool) -> None:
    """Whoever goes on after the answer was lost starts another container."""
    bug = "launch without token" if planted else ""
    with judged(sqlite_url, tmp_path, "1", planted=planted) as place:
        place.pool(lease=LEASE)
        place.runs(1, place.deployment("bare", lasts=0.05))
        first = place.start(bug=bug, strike={"point": "launched"})
        assert place.host.wait(first, 20) == -signal.SIGKILL
        wait_until("it has ended", lambda: len(place.lines()) == 2, 20)
        second = place.start(bug=bug, strays=True)
        wait_until("the run is over", lambda: not place.unfinished() or len(place.lines()) > 2, 60)
        place.stop([second])


@both
def test_a_missing_lease(sqlite_url: str, tmp_path: Path, planted: bool) -> None:
    """A dispatcher that sleeps in the midst of a launch goes on when another has done it, and all of it is gone."""
    bug = "missing lease" if planted else ""
    with judged(sqlite_url, tmp_path, "1", planted=planted) as place:
        place.pool(lease=LEASE)
        place.runs(1, place.deployment("bare", lasts=0.05))
        slow = asleep(place, bug=bug, point="before the launch")
        quick = place.start(call_timeout=1.0, strays=True)
        wait_until("the run is over", lambda: not place.unfinished(), 40)
        wait_until("all is cleaned up", lambda: not place.leftovers(processes=False), 120)
        place.stop([quick])
        os.kill(slow, signal.SIGCONT)
        place.stop([slow])
        wait_until("nothing runs", lambda: len(place.lines()) % 2 == 0, 20)
