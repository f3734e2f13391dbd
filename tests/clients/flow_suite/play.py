"""Runs the flows of `flows.py` under a server, two at once, and tells what it then knows of them, in a form that two
servers can be compared by. `python -m tests.clients.flow_suite.play` runs them by `prefect flow-run execute` under a
real `prefect server` and records that in `tests/clients/data/flow_suite.json`, which the test holds Skylift to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.clients.differential.play import UUID, reference_server
from tests.support.service import client_environment

ROOT = Path(__file__).resolve().parents[3]
FLOWS = Path(__file__).with_name("flows.py")
RECORD = ROOT / "tests" / "clients" / "data" / "flow_suite.json"
PATIENCE = 120.0
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

BELOW = {"below", "further_below", "raises", "async_below", "slow_below"}
"""Flows that only others call."""
NAMES = [name for name in re.findall(r"@flow.*\n(?:async )?def (\w+)", FLOWS.read_text()) if name not in BELOW]
SIDE_BY_SIDE = {"waits_for_futures", "runs_async", "maps_over_many", "mapped_tasks", "takes_slots", "limits_by_tag"}
"""Flows whose log lines come in no certain order."""
PARAMETERS: dict[str, dict[str, Any]] = {
    "typed_parameters": {"order": {"item": "tea", "count": "2", "due": "2030-01-31"}, "pause": 90},
    "wrong_parameters": {"count": "many"},
}

Seen = dict[str, dict[str, Any]]
"""What a server knows of each flow's run."""


class Launcher(Protocol):
    """What brings runs to life."""

    def launch(self, run_id: str) -> None:
        """Start the run's process, if nobody else does."""

    def rest(self, run_id: str) -> None:
        """Return once no process of the run goes on."""


@dataclass
class Direct:
    """`prefect flow-run execute`, with the API at hand."""

    prefect: Path
    env: dict[str, str]
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def launch(self, run_id: str) -> None:
        env = self.env | {"PREFECT__FLOW_RUN_ID": run_id}
        with (self.folder / f"{run_id}.log").open("ab") as log:
            command = [str(self.prefect), "flow-run", "execute"]
            self.processes[run_id] = subprocess.Popen(command, env=env, cwd=self.folder, stdout=log, stderr=log)

    def rest(self, run_id: str) -> None:
        self.processes.pop(run_id).wait(PATIENCE)

    def stop(self) -> None:
        for each in self.processes.values():
            each.kill()
            each.wait()


@dataclass
class Pushed:
    """A push pool starts them by itself."""

    api: Api

    def launch(self, run_id: str) -> None:
        pass

    def rest(self, run_id: str) -> None:
        def is_over() -> bool:
            kinds = [line["kind"] for line in self.api.ask(f"/skylift/flow_runs/{run_id}/explain")["timeline"]]
            return kinds.count("claimed") == kinds.count("cleaned")

        until(is_over)


@dataclass
class Api:
    url: str

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                # 503 is what the real server says while another writes to its SQLite.
                if error.code != 503 or time.monotonic() > deadline:
                    raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error
            time.sleep(0.5)

    def filter(self, what: str, **wanted: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(f"/{what}/filter", wanted)
        return found


def until(check: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := check()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.2)
    return found


# -- playing ----------------------------------------------------------------------------------------------------------

DEPLOY = """
import json, sys
from prefect import flow
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.orchestration import get_client
order = json.loads(sys.argv[1])
with get_client(sync_client=True) as client:
    client.create_work_pool(WorkPoolCreate(name="suite", type=order["type"]), overwrite=True)
    client.upsert_global_concurrency_limit_by_name("suite-limit", 1)
    client.upsert_global_concurrency_limit_by_name("suite-rate", 1, 5.0)
    client.create_concurrency_limit("suite-tag", 1)
made = {}
for name in order["names"]:
    source = flow.from_source(order["folder"], entrypoint=f"flows.py:{name}")
    made[name] = str(
        source.deploy("suite", work_pool_name="suite", job_variables=order["variables"], print_next_steps=False)
    )
print(json.dumps(made))
"""


@dataclass
class Player:
    api: Api
    launcher: Launcher
    deployments: dict[str, str]
    marks: Path
    cancelled_in: dict[str, float] = field(default_factory=dict)
    """Seconds from the wish to the end."""

    def play(self, names: Iterable[str]) -> Seen:
        names = list(names)
        with ThreadPoolExecutor(2) as two:
            return dict(zip(names, two.map(self._play_one, names), strict=True))

    def _play_one(self, name: str) -> dict[str, Any]:
        try:
            run_id = self._start(name)
            if act := ACTS.get(name):
                act(self, run_id)
            until(lambda: self.read(run_id)["state_type"] in ENDED)
            self.launcher.rest(run_id)
            return self._settled(name, run_id)
        except AssertionError as error:
            return {"error": str(error)}

    def _start(self, name: str) -> str:
        parameters = PARAMETERS.get(name, {})
        if name in MARKED:
            parameters = {"marks": str(self.marks)}
        body = {"parameters": parameters, "name": name, "enforce_parameter_schema": False}
        run_id: str = self.api.ask(f"/deployments/{self.deployments[name]}/create_flow_run", body)["id"]
        self.launcher.launch(run_id)
        return run_id

    def read(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.ask(f"/flow_runs/{run_id}")
        return found

    def _settled(self, name: str, run_id: str) -> dict[str, Any]:
        """What is known once that does not change any more: events come in a little later than states."""
        seen, same = self.tell(name, run_id), 0
        for _ in range(40):
            time.sleep(0.5)
            before, seen = seen, self.tell(name, run_id)
            same = same + 1 if seen == before and self._tasks_are_over(seen) else 0
            if same == 2:
                break
        return seen

    @staticmethod
    def _tasks_are_over(seen: dict[str, Any]) -> bool:
        if not seen["state"].startswith("COMPLETED"):
            return True
        return all(each["state"].partition(" ")[0] in ENDED for each in seen["task_runs"])

    def tell(self, name: str, run_id: str) -> dict[str, Any]:
        normal = Normal(self.api.url, self.marks)
        told = self._tell_run(self.read(run_id), normal)
        if name in SIDE_BY_SIDE:
            _sort_logs(told)
        marked = self.marks / name
        return told | {"mark": marked.read_text() if marked.exists() else None}

    def _tell_run(self, run: dict[str, Any], normal: Normal) -> dict[str, Any]:
        of_run = {"flow_run_id": {"any_": [run["id"]]}}
        tasks = self.api.filter("task_runs", task_runs=of_run)
        parents = {"parent_task_run_id": {"any_": [each["id"] for each in tasks]}}
        subflows = self.api.filter("flow_runs", flow_runs=parents, sort="START_TIME_ASC") if tasks else []
        normal.names |= {each["name"]: "<subflow>" for each in subflows}
        states = self.api.ask(f"/flow_run_states/?flow_run_id={run['id']}")
        logs = self.api.filter("logs", logs=of_run, sort="TIMESTAMP_ASC")
        artifacts = self.api.filter("artifacts", artifacts=of_run)
        return {
            "name": normal(run["name"]),
            "state": _state(run["state"], normal),
            "run_count": run["run_count"],
            "states": _launched(" > ".join(each["name"] for each in states)),
            "tags": sorted(run["tags"]),
            "labels": {key: normal(value) for key, value in sorted(run["labels"].items())},
            "task_runs": sorted((self._tell_task(each, normal) for each in tasks), key=json.dumps),
            "logs": [
                f"{each['level']} {each['name']}: {normal(each['message'])}"
                for each in logs
                if each["name"] not in RUNNERS
            ],
            "artifacts": sorted(
                # Those without a key are results: the real server makes one of each state that tells of a result.
                [each["key"], each["type"], normal(each["data"]), each["description"]]
                for each in artifacts
                if each["key"]
            ),
            "subflows": [self._tell_run(each, normal) for each in subflows],
        }

    def _tell_task(self, run: dict[str, Any], normal: Normal) -> dict[str, Any]:
        states = self.api.ask(f"/task_run_states/?task_run_id={run['id']}")
        return {
            "name": normal(run["name"]),
            "state": _state(run["state"], normal),
            "run_count": run["run_count"],
            "states": " > ".join(each["name"] for each in states),
            "tags": sorted(run["tags"]),
            "labels": {key: normal(value) for key, value in sorted(run["labels"].items())},
        }


RUNNERS = ("prefect.flow_runs.runner", "skylift.runner")
"""The loggers of what starts and stops the processes of runs."""


def _state(state: dict[str, Any] | None, normal: Normal) -> str:
    if state is None:  # the real server shows a task run a moment before its first state
        return "none yet"
    return f"{state['type']} {state['name']}: {normal(state['message'])}"


def _launched(states: str) -> str:
    """Without what says that infrastructure is being launched: who runs a flow directly has that already."""
    return re.sub(r"\b(Scheduled|Resuming) > Pending\b", r"\1", states)


def _sort_logs(told: dict[str, Any]) -> None:
    told["logs"].sort(key=json.dumps)
    for each in told["subflows"]:
        _sort_logs(each)
    told["subflows"].sort(key=json.dumps)


class Normal:
    """Takes out what no two runs share: ids, random names, addresses, the frames of tracebacks."""

    def __init__(self, url: str, marks: Path) -> None:
        self.names = {str(marks): "<marks>", str(marks.parent): "<home>"}

    def __call__(self, text: Any) -> Any:
        if not isinstance(text, str):
            return text
        head, _, trace = text.partition("Traceback (most recent call last)")
        if trace:
            text = f"{head}Traceback: {trace.splitlines()[-1]}"
        for name, put in self.names.items():
            text = text.replace(name, put)
        for pattern, put in REPLACED:
            text = pattern.sub(put, text)
        return text


REPLACED = (
    (UUID, "<id>"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "<server>"),
    (re.compile(r"\b([a-z_]+)-[0-9a-f]{3}\b"), r"\1-<random>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*"), "<time>"),
)


# -- what others do to a run ------------------------------------------------------------------------------------------


def answer(player: Player, run_id: str) -> None:
    until(lambda: player.read(run_id)["state_name"] == "Paused")
    player.api.ask(f"/flow_runs/{run_id}/resume", {"run_input": {"approved": True, "note": "go on"}})


def resume(player: Player, run_id: str) -> None:
    until(lambda: player.read(run_id)["state_name"] == "Suspended")
    player.launcher.rest(run_id)
    player.api.ask(f"/flow_runs/{run_id}/resume", {})
    player.launcher.launch(run_id)


def cancel(player: Player, run_id: str) -> None:
    started = player.marks / f"{player.read(run_id)['name']}.started"
    until(started.exists)
    asked = time.monotonic()
    player.api.ask(f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})
    until(lambda: player.read(run_id)["state_type"] == "CANCELLED")
    player.cancelled_in[player.read(run_id)["name"]] = time.monotonic() - asked


ACTS: dict[str, Callable[[Player, str], None]] = {
    "pauses_for_input": answer,
    "suspends": resume,
    "is_cancelled": cancel,
    "is_cancelled_in_a_subflow": cancel,
}
MARKED = ("is_cancelled", "is_cancelled_in_a_subflow", "exits_at_once")
"""Flows that are told where to leave their marks."""


# -- servers ----------------------------------------------------------------------------------------------------------


@contextmanager
def player_of(python: Path, url: str, home: Path, *, is_pushed: bool, names: Sequence[str] = NAMES) -> Iterator[Player]:
    """Deploys these flows to the server, and what they use."""
    code, marks = home / "code", home / "marks"
    for folder in (code, marks):
        folder.mkdir(parents=True)
    shutil.copy(FLOWS, code)
    env = client_environment(url, home)
    # The runner's own interpreter has no Prefect; its child finds it on this PATH.
    path = f"{python.parent}:/usr/bin:/bin"
    variables = {"env": {"PATH": path, "PREFECT_HOME": str(home / "prefect"), "DO_NOT_TRACK": "1"}}
    order = {
        "type": "process:push" if is_pushed else "process",
        "names": list(names),
        "folder": str(code),
        "variables": variables,
    }
    api = Api(url)
    command = [str(python), "-W", "ignore", "-c", DEPLOY, json.dumps(order)]
    said = subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    deployments = json.loads(said.stdout.splitlines()[-1])
    if is_pushed:
        yield Player(api, Pushed(api), deployments, marks)
        return
    direct = Direct(python.with_name("prefect"), env | {"PATH": path}, home)
    try:
        yield Player(api, direct, deployments, marks)
    finally:
        direct.stop()


def record(python: Path, names: Sequence[str] = NAMES) -> Seen:
    """What the real server shows."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with (
            reference_server(python, home) as url,
            player_of(python, url, home / "play", is_pushed=False, names=names) as player,
        ):
            return player.play(names)


if __name__ == "__main__":
    seen = record(ROOT / ".venv-prefect" / "bin" / "python", sys.argv[1:] or NAMES)
    if sys.argv[1:] and RECORD.exists():
        seen = json.loads(RECORD.read_text()) | seen
    RECORD.write_text(json.dumps(seen, indent=1, ensure_ascii=False) + "\n")
    print(f"Recorded {len(seen)} flows in {os.path.relpath(RECORD, ROOT)}")
