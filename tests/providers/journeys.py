"""Runs of every kind, from a schedule to their end, through a real `skylift serve` and a local cloud."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clouds.containers import Containers
from tests.support.service import serving

PATIENCE = 90.0
SECRET = "hunter2-of-the-journey"
FLOWS = """
import os
import time

from prefect import flow, task


@task
def double(x):
    return 2 * x


@flow(log_prints=True)
def greet(name: str = "you"):
    print("Hello,", name, double(21))
    print("knows a secret of", len(os.environ.get("DB_PASSWORD", "")))


def fails():
    print("about to fail")
    raise ValueError("broken on purpose")


def sleeps():
    print("sleeping")
    time.sleep(600)
"""
EATS = "import time; kept = [bytearray(b'x' * 1000000) for _ in range(1500)]; time.sleep(5)"


@dataclass
class Ground:
    """A local cloud, and how a pool of its type is set up over it."""

    type: str
    variables: dict[str, Any]
    """Defaults of the pool's variables: where, with which credentials."""
    containers: Containers
    leftovers: Callable[[], list[str]]
    environment: dict[str, str] = field(default_factory=dict)
    """Of the service: where the cloud's endpoint is."""
    unpullable: dict[str, Any] = field(default_factory=dict)
    """Job variables of a run whose image is not there."""
    hungry: dict[str, Any] = field(default_factory=dict)
    """Job variables of a run with little memory."""
    customise: Callable[[dict[str, Any]], None] = lambda template: None
    """Changes the pool's base job template beyond the defaults of its variables."""


class Journey:
    """A service over a database of its own, with one pool; speaks to its API."""

    def __init__(self, ground: Ground, url: str, folder: Path) -> None:
        self.ground, self.folder = ground, folder
        self.http = httpx.Client(base_url=url, timeout=30)
        template = self.ask("GET", "/collections/views/aggregate-worker-metadata")
        metadata = next(each[ground.type] for each in template.values() if ground.type in each)
        pool_template = metadata["default_base_job_configuration"]
        for name, value in ground.variables.items():
            pool_template["variables"]["properties"][name]["default"] = value
        ground.customise(pool_template)
        self.ask("POST", "/work_pools/", {"name": "cloud", "type": ground.type, "base_job_template": pool_template})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def deploy(self, name: str, **deployment: Any) -> str:
        """A deployment whose schedule is due once, a second from now; its id."""
        flow = self.ask("POST", "/flows/", {"name": name})
        start = datetime.now(UTC) + timedelta(seconds=1)
        schedule = {"interval": 365 * 86400, "anchor_date": start.isoformat()}
        body = {
            "name": name,
            "flow_id": flow["id"],
            "work_pool_name": "cloud",
            "schedules": [{"schedule": schedule, "max_scheduled_runs": 1}],
            **deployment,
        }
        made: str = self.ask("POST", "/deployments/", body)["id"]
        return made

    def run_of(self, deployment_id: str) -> dict[str, Any]:
        where = {"deployments": {"id": {"any_": [deployment_id]}}, "sort": "EXPECTED_START_TIME_ASC", "limit": 1}
        found = self.ask("POST", "/flow_runs/filter", where)
        return found[0] if found else {}

    def wait(self, deployment_id: str, *states: str, patience: float = PATIENCE) -> dict[str, Any]:
        until = time.monotonic() + patience
        while (run := self.run_of(deployment_id)).get("state_name") not in states and time.monotonic() < until:
            time.sleep(0.2)
        assert run.get("state_name") in states, self.story(run)
        return run

    def logs(self, run: dict[str, Any]) -> list[str]:
        where = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "TIMESTAMP_ASC"}
        return [each["message"] for each in self.ask("POST", "/logs/filter", where)]

    def explained(self, run: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = self.ask("GET", f"/skylift/flow_runs/{run['id']}/explain")
        return told

    def until_begun(self, run: dict[str, Any]) -> None:
        """Until something of it runs, by the provider's word or its own."""
        began = ("first word", "provider")
        seen = _until(lambda: any(each["kind"] in began for each in self.explained(run)["timeline"]))
        assert seen, self.story(run)

    def story(self, run: dict[str, Any]) -> str:
        """For the message of a failed assertion."""
        if not run:
            return "no run was made"
        lines = [f"{each['at']} {each['kind']}: {each['message']}" for each in self.explained(run)["timeline"]]
        return "\n".join([run["state_name"], *lines, *self.logs(run)])


class Journeys:
    """Subclasses give a class-scoped fixture `ground`."""

    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls) -> Ground:
        raise NotImplementedError("a provider's test class gives its own ground")

    @pytest.fixture(scope="class")
    @classmethod
    def journey(cls, ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
        home, code = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("code")
        (code / "flows.py").write_text(FLOWS)
        with serving(home, **ground.environment) as service:
            journey = Journey(ground, service.url, code)
            yield journey
            journey.http.close()

    @pytest.mark.timeout(300)
    def test_runs_of_every_kind(self, journey: Journey) -> None:
        """One test, because they run side by side: most of their time is spent waiting for clouds and interpreters."""
        ground = journey.ground
        code = {"pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": str(journey.folder)}}]}
        bare = {"runner": False}
        plain = {"engine": "python", **code}
        told = {"job_variables": {"env": {"DB_PASSWORD": SECRET}}}
        flow = journey.deploy("greets", entrypoint="flows.py:greet", engine="prefect", **told, **code)
        command = journey.deploy("command", job_variables={**bare, "command": "sh -c 'echo one; echo two'"})
        failing = journey.deploy("failing", entrypoint="flows.py:fails", **plain)
        cancelled = journey.deploy("cancelled", entrypoint="flows.py:sleeps", **plain)
        bare_cancelled = journey.deploy("bare-cancelled", job_variables={**bare, "command": "sleep 600"})
        hungry = journey.deploy("hungry", job_variables={**bare, **ground.hungry, "command": f'python -c "{EATS}"'})
        never = journey.deploy("never", entrypoint="flows.py:fails", job_variables=ground.unpullable, **plain)

        for each in (cancelled, bare_cancelled):
            run = journey.wait(each, "Running", "Pending")
            journey.until_begun(run)
            journey.ask("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})

        run = journey.wait(flow, "Completed")
        assert _until(lambda: {"Hello, you 42", f"knows a secret of {len(SECRET)}"} <= {*journey.logs(run)}), (
            journey.story(run)
        )
        run = journey.wait(command, "Completed")
        assert _until(lambda: journey.logs(run) == ["one", "two"]), journey.story(run)
        run = journey.wait(failing, "Failed")
        assert "broken on purpose" in run["state"]["message"]
        assert _until(lambda: "about to fail" in journey.logs(run)), journey.story(run)
        for each in (cancelled, bare_cancelled):
            journey.wait(each, "Cancelled")
        run = journey.wait(hungry, "Failed", "Crashed")
        assert "memory" in run["state"]["message"].lower(), journey.story(run)
        run = journey.wait(never, "Crashed")
        assert "could not start" in run["state"]["message"] or "image" in run["state"]["message"].lower()
        assert any(each["remedy"] for each in journey.explained(run)["timeline"]), journey.story(run)

        assert _until(lambda: not ground.containers.alive())
        assert _until(lambda: not ground.leftovers(), 60), ground.leftovers()

    def test_the_pool_can_be_checked(self, journey: Journey) -> None:
        findings = journey.ask("GET", "/work_pools/cloud/check")
        assert not [each for each in findings if each["verdict"] == "failed"], findings
        assert len(findings) > 3, findings


def _until(look: Callable[[], bool], patience: float = 30.0) -> bool:
    until = time.monotonic() + patience
    while not (so := look()) and time.monotonic() < until:
        time.sleep(0.2)
    return so
