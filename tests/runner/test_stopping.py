"""Cancellation, time-outs, the platform's signals, attempts given up; and that nothing is left behind, ever."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runner.conftest import Runners
from tests.runner.control_plane import Attempt, ControlPlane

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def up(plane: ControlPlane, attempt: Attempt) -> None:
    plane.wait(lambda: "up" in attempt.messages())


def outcome(attempt: Attempt) -> tuple[str, str | None]:
    assert attempt.end is not None
    return attempt.end["outcome"], attempt.end["reason"]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_cancelling_stops_softly(plane: ControlPlane, runners: Runners, write: Callable[..., str]) -> None:
    code = write("import time\ndef slow():\n    try: print('up'); time.sleep(60)\n    finally: print('cleaned up')\n")
    attempt = plane.attempt(entrypoint="flows.py:slow", code=[{"path": code}])
    process = runners.start(attempt)
    up(plane, attempt)
    attempt.state = "CANCELLING"
    begun = time.monotonic()
    assert runners.wait(process).code == 0
    assert time.monotonic() - begun < 3
    assert outcome(attempt) == ("cancelled", "Cancelled")
    assert "cleaned up" in attempt.messages("stdout")


def test_async_code_is_cancelled_softly(plane: ControlPlane, runners: Runners, write: Callable[..., str]) -> None:
    code = write(
        "import asyncio\n"
        "async def slow():\n"
        "    try: print('up'); await asyncio.sleep(60)\n"
        "    finally: print('cleaned up')\n"
    )
    attempt = plane.attempt(entrypoint="flows.py:slow", code=[{"path": code}])
    process = runners.start(attempt)
    up(plane, attempt)
    attempt.state = "CANCELLING"
    runners.wait(process)
    assert outcome(attempt)[0] == "cancelled"
    assert "cleaned up" in attempt.messages("stdout")


def test_who_ignores_sigterm_is_killed_after_the_grace(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=DEAF, grace_seconds=0.8)
    process = runners.start(attempt)
    up(plane, attempt)
    attempt.state = "CANCELLING"
    begun = time.monotonic()
    runners.wait(process)
    assert 0.8 <= time.monotonic() - begun < 5
    assert outcome(attempt)[0] == "cancelled"
    assert attempt.end is not None
    assert attempt.end["signal"] == "SIGKILL"


def test_a_time_out_is_told_as_one(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=SLEEP, timeout_seconds=0.5)
    assert runners.run(attempt).code == 0
    assert outcome(attempt) == ("timed_out", "timed out after 0.5 seconds")
    assert "Stopping the run: timed out after 0.5 seconds" in attempt.messages("skylift.runner")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_platforms_stop_is_reported(plane: ControlPlane, runners: Runners, number: signal.Signals) -> None:
    attempt = plane.attempt(kind="command", command=SLEEP)
    process = runners.start(attempt)
    up(plane, attempt)
    process.send_signal(number)
    assert runners.wait(process).code == 0
    assert outcome(attempt) == ("crashed", f"The platform stopped the container ({number.name})")


def test_the_platform_shortens_a_long_grace(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=DEAF, grace_seconds=600)
    process = runners.start(attempt, patch="runner.PLATFORM_GRACE = 0.5")
    up(plane, attempt)
    attempt.state = "CANCELLING"
    plane.wait(lambda: "Stopping the run: Cancelled" in attempt.messages())
    process.send_signal(signal.SIGTERM)
    runners.wait(process)
    assert outcome(attempt) == ("cancelled", "Cancelled")


def test_an_attempt_given_up_is_killed_at_once_without_a_word(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=DEAF, grace_seconds=600)
    process = runners.start(attempt)
    up(plane, attempt)
    attempt.given_up = True
    begun = time.monotonic()
    assert runners.wait(process).code == 0
    assert time.monotonic() - begun < 3
    assert attempt.end is None
    assert not any(path.endswith("/end") for path in plane.paths())


@pytest.mark.parametrize("how", ["ends", "cancelled", "given up", "sigterm"])
def test_grandchildren_in_sessions_of_their_own_go_too(plane: ControlPlane, runners: Runners, how: str) -> None:
    orphan = "import os, signal, time; os.setsid(); signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    script = (
        "import subprocess, sys, time, os\n"
        "middle = 'import subprocess, sys; print(subprocess.Popen([sys.executable, \"-c\", sys.argv[1]]).pid)'\n"
        f"subprocess.run([sys.executable, '-c', middle, {orphan!r}])\n"
        "time.sleep(0.3); print('up', flush=True)\n"
        f"time.sleep({0 if how == 'ends' else 60})\n"
    )
    attempt = plane.attempt(kind="command", command=[sys.executable, "-c", script], grace_seconds=0.5)
    process = runners.start(attempt)
    up(plane, attempt)
    pid = int(attempt.messages("stdout")[0])
    assert how == "ends" or alive(pid)
    if how == "cancelled":
        attempt.state = "CANCELLING"
    elif how == "given up":
        attempt.given_up = True
    elif how == "sigterm":
        process.send_signal(signal.SIGTERM)
    assert runners.wait(process).code == 0
    assert not alive(pid)
    if how == "ends":
        assert outcome(attempt) == ("completed", None)


def test_a_fork_storm_ends(plane: ControlPlane, runners: Runners, tmp_path: Path) -> None:
    marks = tmp_path / "pids"
    script = (
        "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\n"
        "while True:\n"
        "    if os.fork() == 0:\n"
        f"        os.setsid(); open({str(marks)!r}, 'a').write('%d\\n' % os.getpid()); time.sleep(60); os._exit(0)\n"
        "    time.sleep(0.02)\n"
    )
    attempt = plane.attempt(kind="command", command=[sys.executable, "-c", script], grace_seconds=0.3)
    process = runners.start(attempt)
    up(plane, attempt)
    attempt.state = "CANCELLING"
    assert runners.wait(process).code == 0
    assert outcome(attempt)[0] == "cancelled"
    assert not any(alive(int(pid)) for pid in marks.read_text().split())


def test_zombies_are_collected(plane: ControlPlane, runners: Runners) -> None:
    script = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    pids = []\n"
        "    for _ in range(5):\n"
        "        pid = os.fork()\n"
        "        if pid == 0: time.sleep(0.2); os._exit(0)\n"
        "        print(pid, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait(); print('up', flush=True); time.sleep(60)\n"
    )
    attempt = plane.attempt(kind="command", command=[sys.executable, "-c", script])
    process = runners.start(attempt)
    up(plane, attempt)
    pids = [int(text) for text in attempt.messages("stdout")[:5]]
    deadline = time.monotonic() + 5
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < deadline, "a zombie is left"
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    runners.wait(process)


def test_stopped_while_the_code_is_fetched(plane: ControlPlane, runners: Runners, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tools / "git").chmod(0o755)
    attempt = plane.attempt(kind="command", command=SLEEP, code=[{"git": "https://example.invalid/x", "ref": None}])
    process = runners.start(attempt, env={"PATH": f"{tools}:{os.environ['PATH']}"})
    plane.wait(lambda: any(path.endswith("/heartbeat") for path in plane.paths()))
    attempt.state = "CANCELLING"
    assert runners.wait(process).code == 0
    assert outcome(attempt) == ("cancelled", "Cancelled")
    assert attempt.states == []


def test_stopped_while_it_waits_for_its_turn(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=SLEEP)
    attempt.answers = [{"status": "WAIT", "state": None, "details": {"delay_seconds": 60}}]
    process = runners.start(attempt)
    plane.wait(lambda: any(path.endswith("/set_state") for path in plane.paths()))
    process.send_signal(signal.SIGTERM)
    assert runners.wait(process).code == 0
    assert outcome(attempt) == ("crashed", "The platform stopped the container (SIGTERM)")


def test_sigterm_before_admission_ends_it(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=SLEEP)
    plane.outage = "503"
    process = runners.start(attempt)
    plane.wait(lambda: plane.calls)
    process.send_signal(signal.SIGTERM)
    assert runners.wait(process).code == 1
    assert attempt.instance is None
