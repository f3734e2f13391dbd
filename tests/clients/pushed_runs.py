"""Deploys flows of a file to a push pool of their own, and asks about their runs over plain HTTP."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.conftest import Prefect, Server
from tests.support.service import PATIENCE

DEPLOY = """
import json
from pathlib import Path
from prefect import flow
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as client:
    client.create_work_pool(WorkPoolCreate(name={pool!r}, type="process:push"))
made = {{}}
for name in {names!r}:
    source = flow.from_source({folder!r}, entrypoint=f"flows.py:{{name}}")
    options = dict(work_pool_name={pool!r}, job_variables={variables!r}, print_next_steps=False)
    made[name] = str(source.deploy("real", **options))
print(json.dumps(made))
"""


@dataclass
class Runs:
    """Runs of the deployed flows, asked about over plain HTTP."""

    server: Server
    folder: Path
    variables: dict[str, Any]
    deployments: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def start(self, flow: str, **parameters: Any) -> str:
        body = {"parameters": parameters}
        run: str = self.ask(f"/deployments/{self.deployments[flow]}/create_flow_run", body)["id"]
        return run

    def read(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(f"/flow_runs/{run}")
        return found

    def state(self, run: str) -> str:
        name: str = self.read(run)["state_name"]
        return name

    def wait(self, run: str, *names: str, patience: float = PATIENCE) -> dict[str, Any]:
        """The run, once it is in one of these states; it must not end in another."""
        deadline, ended = time.monotonic() + patience, ("Completed", "Failed", "Crashed", "Cancelled")
        while (found := self.read(run))["state_name"] not in names:
            assert found["state_name"] not in ended, self.story(run)
            assert time.monotonic() < deadline, self.story(run)
            time.sleep(0.2)
        return found

    def set_state(self, run: str, **state: Any) -> None:
        self.ask(f"/flow_runs/{run}/set_state", {"state": state})

    def messages(self, run: str) -> list[str]:
        wanted = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"}
        return [line["message"] for line in self.ask("/logs/filter", wanted)]

    def task_runs(self, run: str) -> list[dict[str, Any]]:
        wanted = {"task_runs": {"flow_run_id": {"any_": [run]}}}
        found: list[dict[str, Any]] = self.ask("/task_runs/filter", wanted)
        return found

    def names(self, run: str) -> list[str]:
        return [state["name"] for state in self.ask(f"/flow_runs/{run}/states")]

    def story(self, run: str) -> str:
        told = [
            f"{line['kind']}: {line['message']}" for line in self.ask(f"/skylift/flow_runs/{run}/explain")["timeline"]
        ]
        return "\n".join([str(self.read(run)["state"]), *told, *self.messages(run)])

    def kinds(self, run: str) -> list[str]:
        return [line["kind"] for line in self.ask(f"/skylift/flow_runs/{run}/explain")["timeline"]]


def deploy(
    server: Server,
    prefect: Prefect,
    prefect_python: Path,
    folder: Path,
    source: str,
    names: Sequence[str],
    pool: str = "flows",
) -> Runs:
    """The flows of this source, all as `real`, in a new push pool."""
    (folder / "flows.py").write_text(source)
    # The runner's own interpreter has no Prefect; its child finds it on this PATH.
    env = {"PATH": f"{prefect_python.parent}:/usr/bin:/bin", "PREFECT_HOME": str(server.home / "prefect-runs")}
    runs = Runs(server, folder, {"env": env | {"DO_NOT_TRACK": "1"}})
    said = prefect.python(DEPLOY.format(names=list(names), folder=str(folder), variables=runs.variables, pool=pool))
    runs.deployments.update(said)
    return runs
