"""A real `skylift serve` as a process, and the environments of its clients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WATCHED = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.support.watched_service import main; main()"
OURS = ("SKYLIFT_", "PREFECT_")
PATIENCE = 60.0
"""Seconds that it may take to end."""


def clean_environment() -> dict[str, str]:
    """This process's, with nothing of this machine's own settings of Skylift or Prefect."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def client_environment(url: str, home: Path) -> dict[str, str]:
    """For Prefect's clients of the server there; what they print is plain, and wide enough for their tables."""
    return clean_environment() | {
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_CLI_COLORS": "false",
        "DO_NOT_TRACK": "1",
        "COLUMNS": "250",
        "NO_COLOR": "1",
        "TZ": "UTC",
    }


@dataclass(frozen=True, slots=True)
class Serving:
    url: str
    """Of the API."""
    line: str
    """What it said when it was ready."""
    report: dict[str, Any] = field(default_factory=dict)
    """Once it has ended: how often each of the `operations` was answered, and its `websockets`."""


class How(Enum):
    PLAIN = "as users start it"
    WATCHED = "all its answers must fit the reference's schemas"
    PER_REQUEST = "watched, and its API is only ever invoked per request, as on a function platform"


@contextmanager
def serving(home: Path, how: How = How.WATCHED, /, **variables: str) -> Iterator[Serving]:
    """Over an SKYLIFT_HOME of its own, on a free port, with these variables besides. It must end well, in silence."""
    report = home / "watched.json"
    report.unlink(missing_ok=True)
    watch = {"WATCHED_REPORT": str(report)} | ({"WATCHED_PER_REQUEST": "1"} if how is How.PER_REQUEST else {})
    start = ["-m", "skylift"] if how is How.PLAIN else ["-c", WATCHED]
    command = [sys.executable, *start, "serve", "--port", "0"]
    process = subprocess.Popen(
        command,
        env=clean_environment() | watch | {"SKYLIFT_HOME": str(home)} | variables,
        cwd=home,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        assert line.startswith("Skylift is ready at "), line
        ready = Serving(line.split()[4], line)
        yield ready
    finally:
        process.terminate()
        rest = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0
    assert rest == ""
    if how is not How.PLAIN:
        ready.report.update(json.loads(report.read_text()))
        assert not ready.report["wrong"], "\n".join(ready.report["wrong"])
