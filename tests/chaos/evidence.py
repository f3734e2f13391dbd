"""What the runs themselves say: one line at their start and one at their end, appended to a file.

The kernel puts lines that are appended with O_APPEND into one order. A run is under way from before its first line to
after its last, so wherever the lines show a limit broken it was broken, whatever the store believes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = """\
read at _ < /proc/uptime
echo "start $SKYLIFT_FLOW_RUN_ID $$ $at" >> "$EVIDENCE"
sleep "$LASTS"
read at _ < /proc/uptime
echo "stop $SKYLIFT_FLOW_RUN_ID $$ $at" >> "$EVIDENCE"
"""
"""The run as a bare command. `at` is in seconds since the boot, to the hundredth."""

FUNCTION = '''\
"""The same as a plain Python function."""
import os
import signal
import time


def say(word):
    line = f"{word} {os.environ['SKYLIFT_FLOW_RUN_ID']} {os.getpid()} {time.clock_gettime(time.CLOCK_BOOTTIME):.2f}\\n"
    file = os.open(os.environ["EVIDENCE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)


def work():
    say("start")
    time.sleep(float(os.environ["LASTS"]))
    say("stop")


def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    work()
'''


@dataclass(frozen=True)
class Line:
    word: str
    run: str
    pid: int
    at: float


@dataclass(frozen=True)
class Asked:
    """What the test knows of a run because it made it."""

    queue: str
    deployment: str


@dataclass(frozen=True)
class Limits:
    pool: int | None = None
    queues: Mapping[str, int] = field(default_factory=dict)
    deployments: Mapping[str, int] = field(default_factory=dict)
    first_queue: str | None = None
    """The queue of the highest priority, if it has no limit of its own and all its runs were due at the beginning."""


def read(path: Path) -> list[Line]:
    """All lines, in the order in which they were written."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        word, run, pid, at = line.split()
        found.append(Line(word, run, int(pid), float(at)))
    return found


def find_faults(lines: Iterable[Line], asked: Mapping[str, Asked], limits: Limits) -> list[str]:
    """Every way in which the lines show that a rule was broken."""
    check = _Check(asked, limits)
    for line in lines:
        check.read(line)
    return check.at_end()


class _Check:
    def __init__(self, asked: Mapping[str, Asked], limits: Limits) -> None:
        self.asked, self.limits = asked, limits
        self.faults: list[str] = []
        self.open: dict[str, int] = {}
        self.starts: Counter[str] = Counter()
        self.stops: Counter[str] = Counter()
        self.first_waiting = {run for run, each in asked.items() if each.queue == limits.first_queue}

    def read(self, line: Line) -> None:
        if line.run not in self.asked:
            self.faults.append(f"{line.run} was never asked for")
        elif line.word == "start":
            self.start(line)
        elif self.open.pop(line.run, None) == line.pid:
            self.stops[line.run] += 1
        else:
            self.faults.append(f"{line.run}: process {line.pid} stopped, and was not the one that had started")

    def start(self, line: Line) -> None:
        self.starts[line.run] += 1
        self.open[line.run] = line.pid
        self.first_waiting.discard(line.run)
        if self.asked[line.run].queue != self.limits.first_queue:
            self.check_waterfall(line)
        self.check_limits(line)

    def check_waterfall(self, line: Line) -> None:
        """All of the first queue were claimed before this one: those not yet started hold a slot each, as it does."""
        if self.limits.pool and len(self.first_waiting) > self.limits.pool - 1:
            self.faults.append(f"{line.run} started while {len(self.first_waiting)} of the first queue waited")

    def check_limits(self, line: Line) -> None:
        open_ = [self.asked[run] for run in self.open]
        started = self.asked[line.run]
        counts = (
            ("the pool", len(open_), self.limits.pool),
            (
                f"queue {started.queue}",
                sum(each.queue == started.queue for each in open_),
                self.limits.queues.get(started.queue),
            ),
            (
                f"deployment {started.deployment}",
                sum(each.deployment == started.deployment for each in open_),
                self.limits.deployments.get(started.deployment),
            ),
        )
        for what, count, limit in counts:
            if limit is not None and count > limit:
                self.faults.append(f"{what} had {count} at once when {line.run} started; its limit is {limit}")

    def at_end(self) -> list[str]:
        for run in self.asked:
            if self.starts[run] != 1 or self.stops[run] != 1:
                self.faults.append(f"{run} started {self.starts[run]} times and ended {self.stops[run]} times")
        return self.faults


@dataclass(frozen=True)
class Summary:
    """For people."""

    runs: int
    seconds: float
    highest: int

    @classmethod
    def of(cls, lines: list[Line]) -> Summary:
        open_ = highest = 0
        for line in lines:
            open_ += 1 if line.word == "start" else -1
            highest = max(highest, open_)
        return cls(len({line.run for line in lines}), lines[-1].at - lines[0].at, highest)

    def __str__(self) -> str:
        rate = self.runs / max(self.seconds, 0.01)
        return f"{self.runs} runs in {self.seconds:.1f} s ({rate:.1f} a second), at most {self.highest} at once"
