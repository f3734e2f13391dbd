"""What may go wrong around a process: killed shims, killed and stopped launchers, children that will not go."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from skylift.provider import Launch, Watched
from skylift_process import ProcessProvider, shim
from skylift_process.folder import AttemptFolder
from skylift_process.processes import send_verified
from tests.providers.contract import new_launch, wait_for, watch
from tests.providers.process.support import ProcessHarness, carriers_of, children

LAUNCHER = """
import json, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from skylift.provider import Launch, ProviderError
from skylift_process import ProcessProvider, launcher, adapter, folder

order = json.load(sys.stdin)
number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[order["what"]]

def here(step):
    if step == order["step"]:
        os.kill(os.getpid(), number)

def around(owner, name, before, after):
    inner = getattr(owner, name)
    def outer(*args, **kwargs):
        here(before)
        answer = inner(*args, **kwargs)
        here(after)
        return answer
    setattr(owner, name, outer)

around(folder.AttemptFolder, "create", "before-folder", "after-folder")
around(folder.AttemptFolder, "write_launch", "before-record", "after-record")
around(launcher.Launcher, "_spawn", "before-spawn", "after-spawn")
around(launcher.Launcher, "start", "before-start", "after-start")
around(launcher.socket.socket, "sendall", "before-send", "after-send")
around(launcher.socket.socket, "shutdown", "before-shutdown", "after-shutdown")
around(launcher.socket.socket, "recv", "before-word", "after-word")
ids = [UUID(text) for text in order["ids"]]
launch = Launch(*ids, datetime.now(UTC), order["configuration"])
try:
    print(ProcessProvider(Path(order["root"])).launch(launch))
except ProviderError as error:
    print(type(error).__name__)
"""
STEPS = [
    *("before-folder", "after-folder", "after-record", "after-spawn"),
    *("after-send", "after-shutdown", "after-word"),
]
TREE = [str(Path(__file__).parents[3] / part) for part in ("", "providers")]


@pytest.fixture
def harness(tmp_path: Path) -> ProcessHarness:
    return ProcessHarness(tmp_path)


@pytest.fixture
def provider(harness: ProcessHarness) -> ProcessProvider:
    return harness.provider()


def launch_elsewhere(harness: ProcessHarness, launch: Launch, what: str, step: str) -> subprocess.Popen[str]:
    """Another service process launches, and is killed or stopped at the step."""
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(TREE)},
    )
    order = {
        "what": what,
        "step": step,
        "root": str(harness.root),
        "configuration": dict(launch.configuration),
        "ids": [str(one) for one in (launch.attempt_id, launch.flow_run_id, launch.installation_id)],
    }
    assert process.stdin
    process.stdin.write(json.dumps(order))
    process.stdin.close()
    process.stdin = None
    return process


def state_of(pid: int) -> str:
    fields = shim.stat_fields(pid)
    return fields[0] if fields else ""


def started_pids(harness: ProcessHarness, attempt_id: UUID) -> tuple[tuple[int, str], tuple[int, str]]:
    started = AttemptFolder(harness.root, attempt_id).read_started()
    assert started
    return started.shim, started.child


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_launcher_is_taken_over_by_the_next(harness: ProcessHarness, step: str) -> None:
    launch = new_launch(harness.script("sleep 0.2"))
    assert launch_elsewhere(harness, launch, "kill", step).communicate()[0] == ""
    handle = harness.provider().launch(launch)
    assert harness.wait(watch(launch, handle), "ended").exit_code == 0
    assert harness.starts(launch.attempt_id) == 1


@pytest.mark.parametrize("step", STEPS)
def test_of_two_launchers_one_of_them_stopped_midway_one_child_comes(harness: ProcessHarness, step: str) -> None:
    launch = new_launch(harness.script(":"))
    slow = launch_elsewhere(harness, launch, "stop", step)
    assert wait_for(lambda: state_of(slow.pid), lambda state: state == "T", 20) == "T"
    handle = harness.provider().launch(launch)
    os.kill(slow.pid, signal.SIGCONT)
    assert slow.communicate(timeout=20)[0].strip() == handle
    assert harness.wait(watch(launch, handle), "ended").exit_code == 0
    assert harness.starts(launch.attempt_id) == 1


@pytest.mark.parametrize("step", ["before-folder", "after-record", "after-spawn", "after-send"])
def test_a_launcher_stopped_midway_starts_nothing_once_the_attempt_was_given_up(
    harness: ProcessHarness, provider: ProcessProvider, step: str
) -> None:
    launch = new_launch(harness.script(":"))
    slow = launch_elsewhere(harness, launch, "stop", step)
    assert wait_for(lambda: state_of(slow.pid), lambda state: state == "T", 20) == "T"
    provider.stop(watch(launch), 0)
    begun = harness.wait(watch(launch), "gone", "ended").phase == "ended"
    os.kill(slow.pid, signal.SIGCONT)
    slow.communicate(timeout=20)
    assert harness.wait(watch(launch), "gone", "ended").exit_code is None or begun
    assert harness.starts(launch.attempt_id) <= begun


def test_a_shim_that_comes_too_late_starts_nothing(
    harness: ProcessHarness, provider: ProcessProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = new_launch(harness.script(":"))
    monkeypatch.setattr(provider, "call_timeout", 0.0)
    with pytest.raises(Exception, match="was not started within"):
        provider.launch(launch)
    assert harness.wait(watch(launch), "gone").phase == "gone"
    assert harness.starts(launch.attempt_id) == 0


def test_a_killed_shim_leaves_nothing(harness: ProcessHarness, provider: ProcessProvider) -> None:
    launch = new_launch(harness.script("setsid sleep 600 & setsid sh -c 'sleep 600 & wait' & wait"))
    watched = watch(launch, provider.launch(launch))
    mark = f"SKYLIFT_ATTEMPT={launch.attempt_id}"
    wait_for(lambda: carriers_of(mark), lambda pids: len(pids) >= 4, 20)
    pid, ticks = started_pids(harness, launch.attempt_id)[0]
    assert send_verified(pid, ticks, signal.SIGKILL)
    observed = harness.wait(watched, "ended")
    assert (observed.phase, observed.exit_code) == ("ended", None)
    assert "watched over it was killed" in (observed.reason or "")
    assert carriers_of(mark) == []
    assert provider.launch(launch) == watched.handle
    assert harness.wait(watched, "ended") == observed
    assert harness.starts(launch.attempt_id) == 1


def test_the_shim_outlives_the_service(harness: ProcessHarness) -> None:
    launch = new_launch(harness.script("sleep 0.5; exit 7"))
    service = launch_elsewhere(harness, launch, "kill", "after-start")
    assert (service.communicate()[0], service.returncode) == ("", -signal.SIGKILL)
    assert harness.wait(watch(launch), "ended").exit_code == 7


def test_what_a_run_leaves_running_is_ended_with_it(harness: ProcessHarness) -> None:
    script = "(trap '' TERM; setsid sleep 600) & setsid sleep 601 & sleep 0.1; exit 4"
    watched, observed = harness.run(harness.script(script))
    assert observed.exit_code == 4
    assert carriers_of(f"SKYLIFT_ATTEMPT={watched.attempt_id}") == []


def test_a_timeout_ends_it(harness: ProcessHarness) -> None:
    _, observed = harness.run(harness.script("sleep 600", timeout_seconds=0.1))
    assert observed.exit_code == 143
    assert "timeout" in (observed.reason or "")


def test_a_stopped_child_can_still_be_ended(harness: ProcessHarness, provider: ProcessProvider) -> None:
    launch = new_launch(harness.script("kill -STOP $$; sleep 600"))
    watched = watch(launch, provider.launch(launch))
    child = started_pids(harness, launch.attempt_id)[1][0]
    wait_for(lambda: state_of(child), lambda state: state == "T", 20)
    provider.stop(watched, 20)
    begun = time.monotonic()
    assert harness.wait(watched, "ended").exit_code == 143
    assert time.monotonic() - begun < 10


def test_a_recycled_pid_is_never_signalled() -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        assert not send_verified(stranger.pid, "1", signal.SIGKILL)
        assert stranger.poll() is None
        assert send_verified(stranger.pid, shim.start_ticks(stranger.pid), signal.SIGKILL)
        assert stranger.wait() == -signal.SIGKILL
    assert not send_verified(stranger.pid, "1", signal.SIGKILL)


def test_after_a_restart_of_the_machine_it_is_ended(harness: ProcessHarness, provider: ProcessProvider) -> None:
    folder = AttemptFolder(harness.root, uuid4())
    folder.create()
    stranger = f"{os.getpid()} {shim.start_ticks(os.getpid())}"
    (folder / "started").write_text(f"shim {stranger}\nchild {stranger}\nboot another\nat {time.time_ns()}\n")
    watched = Watched(folder.attempt_id, None)
    provider.stop(watched, 0)  # this very process would be signalled were the boot not compared
    observed = provider.status([watched])[folder.attempt_id]
    assert (observed.phase, observed.exit_code) == ("ended", None)
    assert "restarted" in (observed.reason or "")


def test_no_zombies_pile_up(harness: ProcessHarness, provider: ProcessProvider) -> None:
    before = set(children())
    launches = [new_launch(harness.script(":")) for _ in range(5)]
    for launch in launches:
        provider.launch(launch)

    def left() -> set[int]:
        provider.status([watch(launch) for launch in launches])
        return set(children()) - before

    assert wait_for(left, lambda pids: not pids, 20) == set()
