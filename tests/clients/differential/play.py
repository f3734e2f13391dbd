"""Plays the scenarios against a server, through Prefect's own interpreter, and tells what was seen in a form that two
servers can be compared by. `python -m tests.clients.differential.play` plays them against a real `prefect server` and
records that in `tests/clients/data/differential.json`, which the test holds Skylift to.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.clients.differential.scenarios import FILES, SCENARIOS, Scenario, Step
from tests.support.service import client_environment

ROOT = Path(__file__).resolve().parents[3]
HOST = ROOT / "tests" / "clients" / "prefect_host.py"
NAMES = Path(__file__).with_name("names.py")
RECORD = ROOT / "tests" / "clients" / "data" / "differential.json"

Seen = dict[str, list[dict[str, Any]]]
"""By scenario, for each step: `step` (what was typed), `code`, `out` (normalised)."""


def play(python: Path, env: dict[str, str], folder: Path, scenarios: Sequence[Scenario] = SCENARIOS) -> Seen:
    """Play them in order."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    command = [str(python), "-W", "ignore", str(HOST)]
    with subprocess.Popen(
        command, env=env, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as host:
        seen = {each.name: _play_one(host, each, folder, env["PREFECT_API_URL"]) for each in scenarios}
        assert host.stdin
        host.stdin.close()
    return seen


def _play_one(host: subprocess.Popen[str], scenario: Scenario, folder: Path, url: str) -> list[dict[str, Any]]:
    normal = Normal(folder, url)
    found = []
    for step in scenario.steps:
        answer = _ask(host, step, folder)
        found.append({"step": step.label, "code": answer["code"], "out": normal.lines(answer["out"])})
    return found


def _ask(host: subprocess.Popen[str], step: Step, folder: Path) -> dict[str, Any]:
    order = dict(step.order)
    if "args" in order:
        order["args"] = ["--no-prompt", *(word.replace("{folder}", str(folder)) for word in order["args"])]
    else:
        call = order.pop("expression")
        preset = f"import os\nos.environ['CALL'] = {call!r}\n"
        order["code"] = preset + NAMES.read_text().partition('"""\n')[2] + f"\n\nshow(lambda: {call})\n"
    assert host.stdin
    assert host.stdout
    host.stdin.write(json.dumps(order) + "\n")
    host.stdin.flush()
    answer: dict[str, Any] = json.loads(host.stdout.readline())
    return answer


UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
REPLACED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| ?[+-]\d\d:\d\d| UTC)?"), "<time>"),
    (re.compile(r"datetime\.datetime\([^)]*\)|DateTime\((?:[^()]|\([^)]*\))*\)"), "<time>"),
    (re.compile(r"\b(\d+|an?|a few) (second|minute|hour|day)s? ago\b|\bjust now\b|\bin \d+ \w+\b"), "<ago>"),
    (re.compile(r"Created flow run '[a-z]+-[a-z]+'"), "Created flow run '<name>'"),
    (re.compile(r"[┃│┏┓┡┩└┘┬┴━─┯┷╇┳┻╭╮╰╯]+"), "|"),
    (re.compile(r"^\d\d:\d\d:\d\d\.\d+ \| "), ""),
    (re.compile(r"\s+"), " "),
)


class Normal:
    """Takes out what no two servers share: ids by the order in which they appear, times, places, widths of tables."""

    def __init__(self, folder: Path, url: str) -> None:
        self.ids: dict[str, str] = {}
        self.places = {str(folder): "<folder>", url: "<api>", url.removesuffix("/api"): "<server>"}

    def lines(self, text: str) -> list[str]:
        for place, name in self.places.items():
            text = text.replace(place, name)
        text = UUID.sub(lambda found: self.ids.setdefault(found[0], f"<id-{len(self.ids) + 1}>"), text)
        if "Traceback (most recent call last)" in text:
            text = text.partition("Traceback (most recent call last)")[0] + "Traceback " + _last_line(text)
        return [line for line in map(self._line, text.splitlines()) if line.strip("| ")]

    @staticmethod
    def _line(line: str) -> str:
        for pattern, put in REPLACED:
            line = pattern.sub(put, line)
        return line.strip()


def _last_line(text: str) -> str:
    """Of a traceback, what was raised."""
    raised = [line for line in text.splitlines() if re.match(r"[\w.]+(Error|Exception|NotFound|AlreadyExists)\b", line)]
    return raised[-1].partition(" - Response")[0] if raised else ""


@contextmanager
def reference_server(prefect_python: Path, home: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """A real `prefect server`, without the services that act on their own; yields its API's URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = client_environment("", home) | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    for service in ("SCHEDULER", "LATE_RUNS", "FOREMAN"):
        env[f"PREFECT_SERVER_SERVICES_{service}_ENABLED"] = "false"
    del env["PREFECT_API_URL"]
    env |= settings or {}
    command = [str(prefect_python.with_name("prefect")), "server", "start", "--port", str(port), "--no-ui"]
    with (home / "server.log").open("w") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/health", server)
            yield f"http://127.0.0.1:{port}/api"
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:  # it waits for its own services, which may wait for SQLite
                server.kill()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"No server at {url}")


def record(prefect_python: Path) -> Seen:
    """What the real server shows."""
    with tempfile.TemporaryDirectory() as home, reference_server(prefect_python, Path(home)) as url:
        return play(prefect_python, client_environment(url, Path(home)), Path(home) / "work")


if __name__ == "__main__":
    interpreter = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".venv-prefect" / "bin" / "python"
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(record(interpreter), indent=1, ensure_ascii=False) + "\n")
    print(f"Recorded {RECORD.relative_to(ROOT)}")
