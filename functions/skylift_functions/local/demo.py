"""`skylift demo`: a service on an empty database, three flows, and what came of them.

Everything is done by the commands that a user would type, against a service of its own that is gone afterwards.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live
from rich.table import Table

from skylift.errors import SkyliftError

FLOWS = Path(__file__).with_name("demo_flows")
SECONDS = 20.0
LIMIT = 2
STATE_STYLES = {"COMPLETED": "green", "FAILED": "red", "CRASHED": "red", "RUNNING": "cyan", "PENDING": "yellow"}


class DemoError(SkyliftError):
    """The demo could not go on."""


@dataclass
class Demo:
    """One run of the demo: where its service is, and where it writes."""

    home: Path
    console: Console
    url: str = ""

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SKYLIFT_", "PREFECT_"))}
        return kept | {"SKYLIFT_HOME": str(self.home)} | ({"SKYLIFT_API_URL": self.url} if self.url else {})

    @contextmanager
    def service(self) -> Iterator[None]:
        """`skylift serve` on a free port, until the end of the block."""
        command = [sys.executable, "-m", "skylift", "serve", "--port", "0"]
        process = subprocess.Popen(command, env=self.environment(), stdout=subprocess.PIPE, text=True)
        try:
            line = process.stdout.readline() if process.stdout else ""
            if "http" not in line:
                raise DemoError("The service did not start")
            self.console.print(f"[dim]$ skylift serve[/]\n{line.strip()}", highlight=False, soft_wrap=True)
            self.url = next(word for word in line.split() if word.startswith("http"))
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def type(self, command: str) -> None:
        """Run a `skylift` command as typed, and show it with its output."""
        self.console.print(f"[dim]$ {command}[/]", highlight=False)
        words = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(words, env=self.environment(), cwd=FLOWS, capture_output=True, text=True)
        self.console.print(done.stdout.strip() or done.stderr.strip(), highlight=False, markup=False, soft_wrap=True)
        if done.returncode:
            raise DemoError(f"`{command}` failed with exit code {done.returncode}")

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return httpx.post(f"{self.url}{path}", json=body or {}, timeout=30).raise_for_status().json()

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.url}{path}", timeout=30).raise_for_status().json()

    # -- what there is to see -----------------------------------------------------------------------------------------

    def runs(self) -> list[dict[str, Any]]:
        """The runs that are due or beyond, the newest first."""
        body = {"sort": "EXPECTED_START_TIME_DESC", "limit": 200}
        now = datetime.now().astimezone()
        return [run for run in self.post("/flow_runs/filter", body) if _instant(run["expected_start_time"]) <= now]

    def watch(self) -> None:
        """Show the runs as they come and go."""
        names = {each["id"]: f"{each['flow_name']}/{each['name']}" for each in self.post("/deployments/filter")}
        end = time.monotonic() + SECONDS
        with Live(console=self.console, refresh_per_second=4) as live:
            while time.monotonic() < end:
                live.update(_table(self.runs()[:14], names))
                time.sleep(0.5)

    def settle(self) -> None:
        """Stop the schedules, and wait for what runs."""
        for deployment in self.post("/deployments/filter"):
            httpx.post(f"{self.url}/deployments/{deployment['id']}/pause_deployment", timeout=30).raise_for_status()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.get("/skylift/work_pools/demo/slots")["slots"]:
            time.sleep(0.2)

    def summary(self) -> None:
        """Runs by state, latency, concurrency, and the failed one explained."""
        stories = [self.get(f"/skylift/flow_runs/{run['id']}/explain") for run in self.runs()]
        latencies, spans = [], []
        for story in stories:
            at = {line["kind"]: _instant(line["at"]) for line in reversed(story["timeline"])}
            if "launched" in at:
                due = _instant(story["flow_run"]["expected_start_time"])
                latencies.append((at["launched"] - due).total_seconds())
                last = story["timeline"][-1]
                spans.append((at["claimed"], at.get("last word") or at.get("ended") or _instant(last["at"])))
        states = Counter(story["flow_run"]["state_type"] for story in stories)
        print_ = self.console.print
        print_("\n[bold]What happened[/]")
        print_("  runs by state        " + ", ".join(f"{count} {state}" for state, count in states.most_common()))
        if len(latencies) > 1:
            cuts = quantiles(latencies, n=100)
            print_(f"  due to launched      p50 {cuts[49]:.3f} s, p99 {cuts[98]:.3f} s (slots were scarce on purpose)")
        print_(f"  highest concurrency  {_highest(spans)} of {LIMIT} slots")
        failed = [story["flow_run"] for story in stories if story["flow_run"]["state_type"] == "FAILED"]
        if not failed or states["COMPLETED"] < 5 or _highest(spans) > LIMIT:
            raise DemoError(f"The demo did not go as it should: {json.dumps(states)}")
        print_()
        self.type(f"skylift flow-run explain {failed[0]['id']}")


def _instant(value: str) -> datetime:
    return datetime.fromisoformat(value)


def _highest(spans: list[tuple[datetime, datetime]]) -> int:
    """The largest number of spans that hold one instant."""
    edges = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    count = highest = 0
    for _, step in edges:
        count += step
        highest = max(highest, count)
    return highest


def _table(runs: list[dict[str, Any]], names: dict[str, str]) -> Table:
    table = Table(title="Flow runs", title_justify="left", expand=False)
    for column in ("Due", "Flow run", "Deployment", "Queue", "State"):
        table.add_column(column, no_wrap=True)
    for run in runs:
        due = _instant(run["expected_start_time"]).astimezone().strftime("%H:%M:%S")
        style = STATE_STYLES.get(run["state_type"], "")
        state = f"[{style}]{run['state_name']}[/]" if style else run["state_name"]
        table.add_row(due, run["name"], names.get(run["deployment_id"], ""), run["work_queue_name"], state)
    return table


NEXT = """
[bold]What to try next[/]
  skylift serve        (keeps its data in your home folder; the rest goes into a second terminal)
  skylift work-pool create local --type process:push
  skylift deploy examples/skylift.yaml --all
  skylift deployment run settle-invoices/by-hand --watch
  skylift work-pool slots local
  skylift --help"""


def demo() -> None:
    """Raises `DemoError` where it does not come to its end."""
    console = Console(soft_wrap=False)
    with tempfile.TemporaryDirectory(prefix="skylift-demo-") as home:
        stage = Demo(Path(home), console)
        with stage.service():
            stage.type(f"skylift work-pool create demo --type process:push --concurrency-limit {LIMIT}")
            stage.type("skylift work-queue create urgent --pool demo --priority 1")
            stage.type("skylift deploy --all")
            stage.type("skylift deployment run settle-invoices/by-hand")
            stage.watch()
            stage.settle()
            stage.summary()
    console.print(NEXT, highlight=False)
