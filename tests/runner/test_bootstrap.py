"""The command that brings the runner into a container, with every Python that is here."""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Callable

import pytest

from skylift.bootstrap import bootstrap_command, runner_sha256, runner_source
from tests.runner.conftest import Runners, interpreters
from tests.runner.control_plane import TOKEN, ControlPlane

Write = Callable[..., str]
PYTHONS = interpreters()


def test_the_command_is_short_and_names_the_hash() -> None:
    command = bootstrap_command("https://skylift.example.com/api")
    assert command[:3] == ["python3", "-I", "-c"]
    assert runner_sha256() in command[-1]
    assert 300 <= sum(map(len, command)) <= 430
    assert bootstrap_command("https://x/api/", python="python")[0] == "python"
    assert "'https://x/api/skylift/runner/'" in bootstrap_command("https://x/api/")[-1]


def test_another_file_than_that_of_the_hash_is_not_run(plane: ControlPlane, runners: Runners) -> None:
    argv = bootstrap_command(plane.url, "0" * 64, python=sys.executable)
    ended = runners.run(plane.attempt(), argv=argv)
    assert ended.code == 1
    assert ended.output == "skylift | the runner does not match its hash\n"
    assert plane.calls == []


def test_it_gives_up_after_a_few_tries(plane: ControlPlane, runners: Runners) -> None:
    plane.close()
    argv = bootstrap_command(plane.url, python=sys.executable, pauses=(0, 0.1, 0.1))
    ended = runners.run(plane.attempt(), argv=argv)
    assert ended.code == 1
    assert ended.output.count("Connection refused") == 3


def test_it_waits_for_an_api_that_is_late(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=["true"])
    plane.close()
    process = runners.start(attempt, argv=bootstrap_command(plane.url, python=sys.executable, pauses=(0, 0.5, 2)))
    threading.Timer(0.3, plane.open).start()
    assert runners.wait(process).code == 0
    assert attempt.end is not None


def test_modules_in_the_working_directory_do_not_disturb_it(plane: ControlPlane, runners: Runners) -> None:
    for name in ("json", "hashlib", "queue"):
        (runners.folder / "work" / f"{name}.py").write_text("raise RuntimeError('shadowed')\n")
    attempt = plane.attempt(kind="command", command=["true"])
    assert runners.run(attempt, argv=bootstrap_command(plane.url, python=sys.executable)).code == 0
    assert attempt.end is not None


@pytest.mark.parametrize(
    "python",
    # every one takes two or three seconds: by default this Python, the oldest and the newest
    [
        pytest.param(one, marks=[] if one in (PYTHONS[0], *PYTHONS[1:2], PYTHONS[-1]) else pytest.mark.long)
        for one in PYTHONS
    ],
)
def test_the_core_on_every_python(plane: ControlPlane, runners: Runners, write: Write, python: str) -> None:
    """Fetched by its hash: functions, their parameters, output and failure, commands, an orphan, cancellation."""
    code = write(
        "import asyncio, logging, os, subprocess, sys\n"
        "async def works(name, *, n=2):\n"
        "    print('hello', name * n); print('careful', file=sys.stderr); logging.getLogger('log').error('logged')\n"
        "    subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "    await asyncio.sleep(0)\n"
        "    print('environ:', open('/proc/self/environ').read())\n"
        "def breaks(): raise ValueError('bad')\n"
        "def slow():\n"
        "    import time\n"
        "    try: print('up'); time.sleep(60)\n"
        "    finally: print('cleaned')\n"
    )
    steps = [{"path": code}]
    works = plane.attempt(entrypoint="flows.py:works", parameters={"name": "é"}, code=steps, grace_seconds=0.3)
    breaks = plane.attempt(entrypoint="flows:breaks", code=steps)
    misfit = plane.attempt(entrypoint="flows:works", parameters={"nmae": 1}, code=steps)
    command = plane.attempt(kind="command", command=["sh", "-c", "echo out; exit 3"])
    slow = plane.attempt(entrypoint="flows.py:slow", code=steps)
    argv = bootstrap_command(plane.url, python=python)
    started = [runners.start(one, argv=argv) for one in (works, breaks, misfit, command, slow)]
    plane.wait(lambda: "up" in slow.messages(), 30)
    slow.state = "CANCELLING"
    ended = [runners.wait(process) for process in started]
    assert [one.code for one in ended] == [0] * 5, ended
    ends = [one.end or {} for one in (works, breaks, misfit, command, slow)]
    assert [end["outcome"] for end in ends] == ["completed", "failed", "failed", "failed", "cancelled"], ends
    assert ends[1]["reason"] == "ValueError: bad"
    assert ends[1]["traceback"].startswith("Traceback")
    assert "no value for name; it has no parameter nmae (it takes: name, n)" in ends[2]["reason"]
    assert ends[3]["reason"] == "exit code 3\nLast lines:\nout"
    assert [(line["name"], line["level"], line["message"]) for line in works.logs[:3]] == [
        ("stdout", 20, "hello éé"),
        ("stderr", 30, "careful"),
        ("log", 40, "logged"),
    ]
    assert slow.messages("stdout") == ["up", "cleaned"]
    said = "".join(works.messages()) + "".join(one.output for one in ended)
    assert "SKYLIFT_FLOW_RUN_ID" in said
    assert TOKEN not in said
    assert "secret-nonce" not in said


def test_the_file_needs_nothing_but_the_standard_library_of_3_8() -> None:
    tree = ast.parse(runner_source(), feature_version=(3, 8))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    assert b"skylift.relay" not in runner_source()
