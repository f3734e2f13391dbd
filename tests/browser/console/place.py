"""What the console is shown: pools, deployments and runs of a real service, made over its API."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.support.service import Serving

PATIENCE = 60.0
OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass
class Place:
    """A service, its API, and the addresses of its pages."""

    service: Serving
    key: str | None = None
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        self.http = httpx.Client(base_url=self.service.url, timeout=30, headers=headers)

    @property
    def root(self) -> str:
        return self.service.url.removesuffix("/api") + "/"

    def page(self, path: str) -> str:
        """The address of a page: `/runs`, `/pools/aws`."""
        return f"{self.root}#{path}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def template(self, type_: str, **defaults: Any) -> dict[str, Any]:
        """The type's own base job template, with these defaults."""
        collections = self.ask("GET", "/collections/views/aggregate-worker-metadata")
        found: dict[str, Any] = next(each[type_] for each in collections.values() if type_ in each)
        template: dict[str, Any] = found["default_base_job_configuration"]
        for name, value in defaults.items():
            template["variables"]["properties"][name]["default"] = value
        return template

    def pool(self, name: str, type_: str = "process:push", **body: Any) -> None:
        """With the type's own template where none is given."""
        body = {"base_job_template": self.template(type_)} | body
        self.ask("POST", "/work_pools/", {"name": name, "type": type_} | body)

    def story(self, run_id: str) -> dict[str, Any]:
        """What happened to a run."""
        found: dict[str, Any] = self.ask("GET", f"/skylift/flow_runs/{run_id}/explain")
        return found

    def deployment(self, name: str, pool: str, *, flow: str = "etl", **body: Any) -> str:
        """Its id. A `command` is run without the runner."""
        command = body.pop("command", None)
        if command:
            body["job_variables"] = {"command": command, "runner": False} | body.get("job_variables", {})
        flow_id = self.ask("POST", "/flows/", {"name": flow})["id"]
        made: str = self.ask(
            "POST", "/deployments/", {"name": name, "flow_id": flow_id, "work_pool_name": pool} | body
        )["id"]
        return made

    def run(self, deployment_id: str, name: str, *, after: float = 0, **body: Any) -> str:
        due = (datetime.now(UTC) + timedelta(seconds=after)).isoformat()
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due}}
        made: str = self.ask(
            "POST", f"/deployments/{deployment_id}/create_flow_run", {"name": name, "state": state} | body
        )["id"]
        return made

    def read(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/flow_runs/{run_id}")
        return found

    def holders(self, pool: str) -> list[str]:
        """The names of the runs that hold the pool's slots."""
        return [slot["flow_run_name"] for slot in self.ask("GET", f"/skylift/work_pools/{pool}/slots")["slots"]]

    def wait(self, run_id: str, *states: str) -> dict[str, Any]:
        """The run, once its state has one of these names, or it is over where none is given."""

        def is_there(run: dict[str, Any]) -> bool:
            return run["state_name"] in states if states else run["state_type"] in OVER

        found: dict[str, Any] = self.until(lambda: self.read(run_id), is_there)
        return found

    def until(self, read: Callable[[], Any], is_so: Callable[[Any], bool]) -> Any:
        """What is read, once it is so."""
        end = time.monotonic() + PATIENCE
        while not is_so(found := read()):
            assert time.monotonic() < end, found
            time.sleep(0.1)
        return found

    def close(self) -> None:
        self.http.close()
