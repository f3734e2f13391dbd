"""Kills at random instants: of launchers and of shims, beside stops and relaunches."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from skylift.provider import ProviderError, Unreachable, Watched
from skylift_process import ProcessProvider
from tests.providers.contract import new_launch, watch
from tests.providers.process.support import ProcessHarness, carriers_of
from tests.providers.process.test_hazards import launch_elsewhere

ROUNDS = 150


def shims_of(watched: Watched) -> list[int]:
    """By the folder in the command line."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"-S" in words and any(word.endswith(str(watched.attempt_id).encode()) for word in words):
                found.append(int(name))
    return found


def kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def clean(provider: ProcessProvider, watched: Watched) -> None:
    """A shim whose launcher was killed may still be starting, to find that it must not."""
    until = time.monotonic() + 10
    while True:
        try:
            return provider.cleanup(watched)
        except Unreachable:
            assert time.monotonic() < until
            time.sleep(0.01)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_never_two_and_nothing_left_whatever_is_killed_when(tmp_path: Path) -> None:
    seed = int(os.environ.get("SKYLIFT_TEST_SEED", time.time_ns() % 1_000_000))
    print(f"SKYLIFT_TEST_SEED={seed}")
    chance = random.Random(seed)
    harness = ProcessHarness(tmp_path)
    ran = 0
    for number in range(ROUNDS):
        launch = new_launch(harness.script("setsid sleep 0.05 & sleep 0.05"))
        watched = watch(launch)
        provider = harness.provider()
        launcher = launch_elsewhere(harness, launch, "kill", "never")
        until = time.monotonic() + 10
        while not (harness.root / str(launch.attempt_id)).exists() and time.monotonic() < until:
            time.sleep(0.0005)
        for _ in range(chance.randint(1, 3)):
            time.sleep(chance.random() * 0.04)
            match chance.choice(["launcher", "shim", "stop", "relaunch"]):
                case "launcher":
                    launcher.kill()
                case "shim":
                    kill(shims_of(watched))
                case "stop":
                    provider.stop(watched, 0)
                case "relaunch":
                    try:
                        provider.launch(launch)
                    except ProviderError:
                        pass
        launcher.communicate(timeout=30)
        if chance.random() < 0.5:
            try:
                harness.provider().launch(launch)
            except ProviderError:
                pass
        provider.stop(watched, 0)
        observed = harness.wait(watched, "ended", "gone")
        assert observed.phase in ("ended", "gone"), (seed, number)
        assert carriers_of(f"SKYLIFT_ATTEMPT={launch.attempt_id}") == [], (seed, number)
        assert harness.starts(launch.attempt_id) <= 1, (seed, number)
        ran += harness.starts(launch.attempt_id)
        clean(provider, watched)
        assert not (harness.root / str(launch.attempt_id)).exists(), (seed, number)
    assert ran > ROUNDS / 10
