"""How Python functions and commands are called, and how their ends are told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runner.conftest import Runners
from tests.runner.control_plane import Attempt, ControlPlane

Write = Callable[..., str]

FLOWS = """
import asyncio, os, signal, sys, threading, time, multiprocessing
import helper

def returns(name, count=1, *, loud=False): print(name, count, loud, helper.VALUE)
async def later(): await asyncio.sleep(0.01); print("later")
def generates(): yield print("one"); yield print("two")
def raises(): raise ValueError("bad input")
def outer():
    try: raises()
    except ValueError as error: raise RuntimeError("the job broke") from error
def leaves_well(): sys.exit(0)
def leaves_badly(): sys.exit(3)
def leaves_with_words(): sys.exit("no data today")
def dies(): print("last words", flush=True); os.kill(os.getpid(), signal.SIGSEGV)
def vanishes(): os._exit(7)
def interrupted(): raise KeyboardInterrupt
def anything(**values): print(sorted(values))
def by_place(a, /): pass
def thread():
    threading.Thread(target=lambda: (time.sleep(0.3), print("from a thread"))).start()
def forks():
    if os.fork() == 0: return
    os.wait()
def job(n): print("part", n); return n
def pool():
    with multiprocessing.get_context("spawn").Pool(1) as workers: print(sum(workers.map(job, [1, 2])))
class Group:
    @staticmethod
    def method(): print("in a class")
VALUE = 1
"""


@pytest.fixture
def code(write: Write) -> list[dict[str, str]]:
    write("VALUE = 'helped'\n", "jobs/helper.py")
    write("", "package/__init__.py")
    write("from . import deep\ndef go(): print(deep.WORD)\n", "package/flows.py")
    write("WORD = 'deep'\n", "package/deep.py")
    write("import no_such_library\n", "package/broken.py")
    write("def x(:\n", "typo.py")
    return [{"path": write(FLOWS, "jobs/flows.py")}]


def run(plane: ControlPlane, runners: Runners, **terms: Any) -> tuple[dict[str, Any], list[str]]:
    attempt = plane.attempt(**terms)
    ended = runners.run(attempt)
    assert ended.code == 0, ended.output
    assert attempt.end is not None
    return attempt.end, attempt.messages("stdout")


COMPLETE: list[tuple[str, dict[str, Any], list[str]]] = [
    ("jobs/flows.py:returns", {"name": "é", "count": 2, "loud": True}, ["é 2 True helped"]),
    ("jobs/flows.py:returns", {"name": [1, None]}, ["[1, None] 1 False helped"]),
    ("jobs/flows.py:later", {}, ["later"]),
    ("jobs/flows.py:generates", {}, ["one", "two"]),
    ("jobs/flows.py:leaves_well", {}, []),
    ("jobs/flows.py:anything", {"b": 1, "a": 2}, ["['a', 'b']"]),
    ("jobs/flows.py:thread", {}, ["from a thread"]),
    ("jobs/flows.py:forks", {}, []),
    ("jobs/flows.py:pool", {}, ["part 1", "part 2", "3"]),
    ("jobs/flows.py:Group.method", {}, ["in a class"]),
    ("package.flows:go", {}, ["deep"]),
]
FAIL: list[tuple[str | None, dict[str, Any], str]] = [
    ("jobs/flows.py:raises", {}, "ValueError: bad input"),
    ("jobs/flows.py:leaves_badly", {}, "SystemExit: 3"),
    ("jobs/flows.py:leaves_with_words", {}, "SystemExit: no data today"),
    ("jobs/flows.py:vanishes", {}, "exit code 7, before the function had returned"),
    ("jobs/flows.py:interrupted", {}, "KeyboardInterrupt"),
    ("jobs/flows.py:returns", {}, "no value for name"),
    ("jobs/flows.py:returns", {"name": 1, "nmae": 2}, "it has no parameter nmae (it takes: name, count, loud)"),
    ("jobs/flows.py:by_place", {"a": 1}, "it has no parameter a"),
    ("jobs/flows.py:missing", {}, "jobs/flows.py has no 'missing'; it has: returns, later"),
    ("jobs/flows.py:VALUE", {}, "'VALUE' in jobs/flows.py is a int, not a function"),
    ("jobs/nothing.py:go", {}, "Python files there: jobs/flows.py, jobs/helper.py, package/__init__.py"),
    ("nowhere.flows:go", {}, "No module named 'nowhere'"),
    ("package.broken:go", {}, "ModuleNotFoundError: No module named 'no_such_library'"),
    ("typo.py:x", {}, "SyntaxError"),
    ("flows", {}, "is not like path/to/file.py:function"),
    (None, {}, "The flow run has no entrypoint"),
]


def together(plane: ControlPlane, runners: Runners, attempts: list[Attempt]) -> None:
    """Run them all, a few at a time."""
    for start in range(0, len(attempts), 6):
        ended = [runners.wait(one) for one in [runners.start(attempt) for attempt in attempts[start : start + 6]]]
        assert [one.code for one in ended] == [0] * len(ended), ended


def test_python_completes(plane: ControlPlane, runners: Runners, code: list[dict[str, str]]) -> None:
    attempts = [plane.attempt(entrypoint=one, parameters=given, code=code) for one, given, _ in COMPLETE]
    together(plane, runners, attempts)
    for attempt, (entrypoint, _, printed) in zip(attempts, COMPLETE, strict=True):
        end = attempt.end or {}
        assert (end.get("outcome"), end.get("exit_code"), end.get("reason")) == ("completed", 0, None), (
            entrypoint,
            end,
        )
        assert attempt.messages("stdout") == printed, entrypoint


def test_python_fails(plane: ControlPlane, runners: Runners, code: list[dict[str, str]]) -> None:
    attempts = [plane.attempt(entrypoint=one, parameters=given, code=code) for one, given, _ in FAIL]
    together(plane, runners, attempts)
    for attempt, (entrypoint, _, reason) in zip(attempts, FAIL, strict=True):
        end = attempt.end or {}
        assert end.get("outcome") == "failed", (entrypoint, end)
        assert reason in end["reason"], entrypoint


def test_the_traceback_is_the_users_and_is_logged(
    plane: ControlPlane, runners: Runners, code: list[dict[str, str]]
) -> None:
    attempt = plane.attempt(entrypoint="jobs/flows.py:outer", code=code)
    ended = runners.run(attempt)
    assert attempt.end is not None
    text = attempt.end["traceback"]
    assert attempt.end["reason"] == "RuntimeError: the job broke"
    assert text.startswith("Traceback (most recent call last):")
    assert "ValueError: bad input" in text
    assert "direct cause" in text
    assert "runner.py" not in text
    assert "importlib" not in text
    assert [line["message"] for line in attempt.logs if line["level"] == 40] == [text]
    assert text in ended.output


def test_a_segfault_is_a_crash_with_the_last_words(
    plane: ControlPlane, runners: Runners, code: list[dict[str, str]]
) -> None:
    end, _ = run(plane, runners, entrypoint="jobs/flows.py:dies", code=code)
    assert (end["outcome"], end["signal"], end["exit_code"]) == ("crashed", "SIGSEGV", None)
    assert "The process was ended by SIGSEGV" in end["reason"]
    assert "last words" in end["reason"]
    assert "Segmentation fault" in end["reason"]  # the interpreter's own stack


@pytest.mark.parametrize(
    ("command", "outcome", "exit_code", "reason"),
    [
        (["true"], "completed", 0, None),
        (["sh", "-c", "echo out; echo bad >&2; exit 3"], "failed", 3, "exit code 3\nLast lines:\nout\nbad"),
        (["no-such-program", "x"], "failed", None, "The command 'no-such-program' cannot be started: No such file"),
        (["/etc/passwd"], "failed", None, "Permission denied"),
        ([], "failed", None, "The flow run has no command"),
        (["sh", "-c", "echo bye; kill -9 $$"], "crashed", None, "The process was ended by SIGKILL\nLast lines:\nbye"),
    ],
)
def test_commands(
    plane: ControlPlane,
    runners: Runners,
    command: list[str],
    outcome: str,
    exit_code: int | None,
    reason: str | None,
) -> None:
    end, _ = run(plane, runners, kind="command", command=command)
    assert (end["outcome"], end["exit_code"]) == (outcome, exit_code)
    assert end["reason"] is None if reason is None else reason in end["reason"]


def test_the_working_directory_is_below_the_code(
    plane: ControlPlane, runners: Runners, code: list[dict[str, str]]
) -> None:
    _, out = run(plane, runners, kind="command", command=["pwd"], code=code, working_dir="jobs")
    assert out == [str(Path(code[0]["path"]) / "jobs")]
    end, _ = run(plane, runners, kind="command", command=["pwd"], code=code, working_dir="nowhere")
    assert end["outcome"] == "failed"
    assert "nowhere' does not exist" in end["reason"]


def test_modules_of_the_users_do_not_disturb_the_runner(plane: ControlPlane, runners: Runners, write: Write) -> None:
    for name in ("json", "signal", "queue", "logging", "select"):
        write("raise RuntimeError('shadowed')\n", f"{name}.py")
    code = [{"path": write("def go(): print('fine')\n")}]
    _, out = run(plane, runners, entrypoint="flows.py:go", code=code)
    assert out == ["fine"]


def test_the_environment_overrides_and_removes(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(
        kind="command", command=["sh", "-c", "echo $A-${B-unset}-$SKYLIFT_FLOW_RUN_NAME"], env={"A": 1, "B": None}
    )
    runners.run(attempt, env={"A": "0", "B": "set"})
    assert attempt.messages("stdout") == ["1-unset-brave-heron"]


@pytest.mark.parametrize(
    ("command", "outcome"),
    [("kill -9 $$", "crashed"), ("exit 137", "crashed"), ("exit 0", "completed")],
)
def test_lack_of_memory_is_named(
    plane: ControlPlane, runners: Runners, tmp_path: Path, command: str, outcome: str
) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\noom 0\noom_kill 0\n")
    script = f"printf 'oom 1\\noom_kill 1\\n' > {counter}; {command}"
    attempt = plane.attempt(kind="command", command=["sh", "-c", script])
    runners.run(attempt, patch=f"runner.OOM_FILES = [{str(counter)!r}]")
    assert attempt.end is not None
    assert attempt.end["outcome"] == outcome
    if outcome == "crashed":
        assert attempt.end["reason"].startswith("Out of memory: the kernel killed")


def test_the_python_of_the_runner_runs_the_function(
    plane: ControlPlane, runners: Runners, code: list[dict[str, str]], write: Write
) -> None:
    write("import sys\ndef go(): print(sys.executable, sys.argv, sys.stdin.read() == '')\n", "who.py")
    _, out = run(plane, runners, entrypoint="who.py:go", code=code)
    assert out == [f"{sys.executable} ['who.py:go'] True"]
