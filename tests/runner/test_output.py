"""stdout, stderr and logging as log lines: in order, whole, bounded."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from itertools import pairwise

from skylift import runner
from tests.runner.conftest import Runners
from tests.runner.control_plane import Attempt, ControlPlane

Write = Callable[..., str]


def python(plane: ControlPlane, write: Write, body: str) -> Attempt:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return plane.attempt(
        entrypoint="flows.py:go", code=[{"path": write(f"import sys, os, logging\ndef go():\n{lines}")}]
    )


def command(plane: ControlPlane, script: str) -> Attempt:
    return plane.attempt(kind="command", command=[sys.executable, "-c", script])


def test_print_stderr_and_logging_keep_their_order(plane: ControlPlane, runners: Runners, write: Write) -> None:
    attempt = python(
        plane,
        write,
        "log = logging.getLogger('jobs.daily')\n"
        "for i in range(50):\n"
        "    print('out', i)\n"
        "    print('err', i, file=sys.stderr)\n"
        "    log.error('log %d', i)\n"
        "log.debug('not shown')\n"
        "print('no newline', end='')",
    )
    ended = runners.run(attempt)
    expected = [
        (name, level, f"{word} {i}")
        for i in range(50)
        for name, level, word in (("stdout", 20, "out"), ("stderr", 30, "err"), ("jobs.daily", 40, "log"))
    ]
    said = [(line["name"], line["level"], line["message"]) for line in attempt.logs]
    assert said == [*expected, ("stdout", 20, "no newline")]
    stamps = [line["timestamp"] for line in attempt.logs]
    assert all(first < second for first, second in pairwise(stamps))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", stamp) for stamp in stamps)
    assert "out 49\nerr 49\n40 jobs.daily | log 49\n" in ended.output


def test_a_logged_exception_keeps_its_traceback(plane: ControlPlane, runners: Runners, write: Write) -> None:
    attempt = python(plane, write, "try: 1 / 0\nexcept Exception: logging.exception('went wrong')")
    runners.run(attempt)
    [line] = attempt.logs
    assert (line["name"], line["level"]) == ("root", 40)
    assert line["message"].startswith("went wrong\nTraceback (most recent call last):\n")
    assert line["message"].endswith("ZeroDivisionError: division by zero")


def test_output_below_python_is_heard_too(plane: ControlPlane, runners: Runners, write: Write) -> None:
    attempt = python(
        plane,
        write,
        "import subprocess\n"
        "os.write(1, b'raw\\n')\n"
        "subprocess.run(['echo', 'inherited'])\n"
        "subprocess.run(['echo', 'handed over'], stdout=sys.stdout)\n"
        "sys.stdout.buffer.write(b'bytes\\n')",
    )
    runners.run(attempt)
    assert set(attempt.messages("stdout")) == {"raw", "inherited", "handed over", "bytes"}


def test_a_traceback_on_stderr_is_one_entry(plane: ControlPlane, runners: Runners) -> None:
    attempt = command(plane, "import sys; print('before', file=sys.stderr); {}['x']")
    runners.run(attempt)
    assert attempt.messages("stderr")[0] == "before"
    text = attempt.messages("stderr")[1]
    assert text.startswith("Traceback")
    assert text.endswith("KeyError: 'x'")
    assert [line["level"] for line in attempt.logs if line["name"] == "stderr"] == [30, 40]


def test_huge_output_arrives_whole_in_bounded_batches(plane: ControlPlane, runners: Runners) -> None:
    attempt = command(plane, "for i in range(30000): print(i, 'x' * 100)")
    begun = time.monotonic()
    assert runners.run(attempt).code == 0
    assert time.monotonic() - begun < 15
    assert attempt.messages("stdout") == [f"{i} {'x' * 100}" for i in range(30000)]
    batches = [call.body for call in plane.calls if call.path == "/api/logs/"]
    assert max(map(len, batches)) <= 200
    assert max(len(json.dumps(batch, ensure_ascii=False).encode()) for batch in batches) <= 520_000


def test_long_lines_are_cut_with_a_mark(plane: ControlPlane, runners: Runners, write: Write) -> None:
    attempt = python(plane, write, "print('a' * 250_000)\nlogging.warning('b' * 250_000)\nprint('after')")
    runners.run(attempt)
    first, second, third = attempt.messages()
    assert first == "a" * 100_000 + " [... 150000 bytes cut]"
    assert second == "b" * 100_000 + " [... cut]"
    assert third == "after"


def test_binary_garbage_becomes_text(plane: ControlPlane, runners: Runners) -> None:
    script = (
        "import os, random\nrandom.seed(1)\n"
        "os.write(1, bytes(random.randrange(256) for _ in range(60000)) + b'\\x00' * 200000 + b'\\x1b' * 200000)\n"
        "os.write(1, b'\\nclear\\n')"
    )
    attempt = command(plane, script)
    assert runners.run(attempt).code == 0
    assert attempt.messages("stdout")[-1] == "clear"
    assert not any("\x00" in message for message in attempt.messages())


def test_a_progress_bar_is_its_last_state(plane: ControlPlane, runners: Runners) -> None:
    script = (
        "import os, time\n"
        "for i in range(101): os.write(2, b'\\r%d %%' % i)\n"
        "os.write(2, b'\\n')\n"
        "for i in range(101): os.write(2, b'%d of 100\\r' % i); i % 50 or time.sleep(0.02)\n"
        "os.write(2, b'\\r\\ndos\\r\\n')"
    )
    attempt = command(plane, script)
    runners.run(attempt)
    assert attempt.messages("stderr") == ["100 %", "100 of 100", "dos"]


def test_threads_and_forks_do_not_mix_their_lines(plane: ControlPlane, runners: Runners, write: Write) -> None:
    attempt = python(
        plane,
        write,
        "import threading\n"
        "def work(letter):\n"
        "    for _ in range(20): logging.getLogger(letter).info(letter * 5000)\n"
        "children = []\n"
        "for letter in 'abc':\n"
        "    pid = os.fork()\n"
        "    if pid == 0: work(letter); os._exit(0)\n"
        "    children.append(pid)\n"
        "threads = [threading.Thread(target=work, args=(letter,)) for letter in 'de']\n"
        "[one.start() for one in threads]; [one.join() for one in threads]\n"
        "[os.waitpid(pid, 0) for pid in children]",
    )
    runners.run(attempt)
    for letter in "abcde":
        assert attempt.messages(letter) == [letter * 5000] * 20


def test_lines_come_while_it_runs(plane: ControlPlane, runners: Runners, write: Write) -> None:
    attempt = python(plane, write, "import time\nprint('early')\ntime.sleep(60)")
    process = runners.start(attempt)
    plane.wait(lambda: "early" in attempt.messages(), 4)
    assert attempt.end is None
    process.terminate()
    runners.wait(process)


def test_an_api_that_takes_no_logs_does_not_stop_the_run(plane: ControlPlane, runners: Runners) -> None:
    """The queue is bounded: the child is held back for a while, then lines are dropped, and the gap is marked."""
    plane.log_outage = True
    attempt = command(
        plane,
        "import time\nfor i in range(4000): print(i, 'x' * 100)\nopen('done', 'w').close()\ntime.sleep(2)\nprint('z')",
    )
    patch = "runner.QUEUE_BYTES, runner.HOLD_SECONDS = 20_000, 0.3"
    process = runners.start(attempt, patch=patch)
    deadline = time.monotonic() + 10
    while not (runners.folder / "work" / "done").exists():
        assert time.monotonic() < deadline, "the child is stuck"
        time.sleep(0.02)
    plane.log_outage = False
    assert runners.wait(process).code == 0
    said = attempt.messages()
    assert said[0].startswith("0 ")
    assert said[-1] == "z"
    [mark] = attempt.messages("skylift.runner")
    lost = int(mark.split()[0].strip("["))
    assert lost > 0
    assert len(attempt.messages("stdout")) + lost == 4001


def test_urls_and_texts_are_shortened() -> None:
    assert runner.shown("https://me:pw@example.com/x.zip?signature=abc") == "https://example.com/x.zip"
    assert runner.shorten("a" * 100, 20) == "a" * 10 + "\n[... 80 characters cut ...]\n" + "a" * 10
