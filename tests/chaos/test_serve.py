"""`skylift serve` and the real provider: lost wakeups, restarts in the midst of runs, cancelling."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from skylift.wakeups import Wakeup
from skylift_functions.local import clockwork
from skylift_functions.local.clockwork import Clockwork
from skylift_functions.local.wakeups import LocalWakeups
from tests.chaos.evidence import Limits, find_faults
from tests.chaos.place import Place, open_place, wait_until
from tests.chaos.service import free_port, serving


@pytest.fixture
def embedded(sqlite_url: str, tmp_path: Path) -> Iterator[Place]:
    """A place on the embedded default, SQLite."""
    with open_place(sqlite_url, tmp_path) as opened:
        yield opened


class TimerOnly(LocalWakeups):
    """A delay queue that loses every wakeup but the timer's."""

    lost = 0

    def send(self, wakeup: Wakeup, at: datetime) -> None:
        if threading.current_thread().name.endswith("_tick"):
            super().send(wakeup, at)
        else:
            self.lost += 1


def test_the_timer_alone_brings_every_run_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clockwork, "TIMER", 0.3)
    monkeypatch.setenv("SKYLIFT_HOME", str(place.home))
    wakeups = TimerOnly()
    place.parts.store.wakeups = wakeups
    place.pool(limit=3)
    deployment = place.deployment("bare", lasts=0.05)
    running = Clockwork(place.parts, wakeups)
    running.start()
    try:
        for _ in range(4):
            place.runs(3, deployment)
            time.sleep(0.2)
        place.wait_for_end(60)
    finally:
        running.stop()
    assert wakeups.lost > len(place.asked)
    assert not find_faults(place.lines(), place.asked, Limits(pool=3))


def test_due_runs_start_at_their_second(embedded: Place) -> None:
    """Between two ticks of the timer, by a wakeup. The time is generous, for a machine that has other things to do."""
    embedded.pool()
    deployment = embedded.deployment("bare", lasts=0)
    with serving(embedded, free_port()) as service:
        now, since_boot = datetime.now(UTC), time.clock_gettime(time.CLOCK_BOOTTIME)
        due = {service.run(deployment, at=now + timedelta(seconds=after)): since_boot + after for after in (2, 3, 4)}
        embedded.wait_for_end(30)
    delays = [line.at - due[line.run] for line in embedded.lines() if line.word == "start"]
    print(f"\nstarted {', '.join(f'{delay:.2f}' for delay in delays)} s after they were due")
    assert len(delays) == 3
    assert all(-0.05 < delay < 5 for delay in delays)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_service_that_is_started_again_goes_on(embedded: Place, number: signal.Signals) -> None:
    embedded.pool(lease=1.0, heartbeat=1.0)
    bare = embedded.deployment("bare", lasts=2)
    python = embedded.deployment("python", lasts=2, runner=True)
    port = free_port()
    with serving(embedded, port) as first:
        running = [first.run(bare), first.run(python)]
        wait_until("both have started", lambda: len(embedded.lines()) == 2, 30)
        first.run(bare, at=datetime.now(UTC) + timedelta(seconds=1))
        assert first.end(number) == (0 if number is signal.SIGTERM else -number)
    assert {embedded.states()[run] for run in running} <= {"PENDING", "RUNNING"}
    with serving(embedded, port):
        embedded.wait_for_end(60)
    assert not find_faults(embedded.lines(), embedded.asked, Limits())
    assert set(embedded.states().values()) == {"COMPLETED"}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("function", ["work", "deaf"])
def test_a_run_is_cancelled_when_its_process_is_gone_and_not_before(embedded: Place, function: str) -> None:
    embedded.pool(cancel_grace=1.5, heartbeat=1.0)
    deployment = embedded.deployment("python", lasts=60, runner=True, entrypoint=f"work.py:{function}")
    seen = set()
    with serving(embedded, free_port()) as service:
        run = service.run(deployment)
        wait_until("it has started", lambda: bool(embedded.lines()), 30)
        (line,) = embedded.lines()
        body = {"state": {"type": "CANCELLING"}}
        assert service.call("POST", f"flow_runs/{run}/set_state", body)["status"] == "ACCEPT"
        until = time.monotonic() + 30
        while (state := service.state(run)) != "CANCELLED" and time.monotonic() < until:
            seen.add(state)
        assert not is_alive(line.pid), "the run is called cancelled and its process lives"
        assert state == "CANCELLED"
        assert seen <= {"CANCELLING"}
        assert seen or function == "work", "its grace is longer than two looks at its state"
        embedded.wait_for_end(30)
    assert [each.word for each in embedded.lines()] == ["start"], "it went on to its end"
