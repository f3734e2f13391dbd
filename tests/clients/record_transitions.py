"""Asks a real Prefect server, in this process, how it answers, and writes that down as data for the tests.

.venv-prefect/bin/python -m tests.clients.record_transitions
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="transitions-")
os.environ["PREFECT_LOGGING_LEVEL"] = "CRITICAL"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

import httpx
import prefect  # type: ignore[import-not-found]
from prefect.server.api.server import create_app  # type: ignore[import-not-found]

from tests.clients import transition_cases as cases


class Server:
    """The API of Prefect."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.flow = self.deployment = ""

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.client.request(method, path, json=body)

    async def prepare(self) -> None:
        self.flow = (await self.ask("POST", "/flows/", {"name": "flow"})).json()["id"]
        body = {"name": "deployment", "flow_id": self.flow}
        self.deployment = (await self.ask("POST", "/deployments/", body)).json()["id"]

    async def run(self, **body: Any) -> str:
        answer = await self.ask("POST", "/flow_runs/", {"flow_id": self.flow} | body)
        run: str = answer.json()["id"]
        return run

    async def told(self, run: str, answer: httpx.Response) -> str:
        if answer.status_code >= 500:
            return str(answer.status_code)
        read = (await self.ask("GET", f"/flow_runs/{run}")).json()
        return cases.told(answer.status_code, answer.json(), read)

    async def propose(self, run: str, state: dict[str, Any], force: bool) -> str:
        answer = await self.ask("POST", f"/flow_runs/{run}/set_state", {"state": state, "force": force})
        return await self.told(run, answer)


async def one(server: Server, current: str, wanted: str, flags: tuple[str, ...]) -> str:
    now = datetime.now(UTC)
    first = cases.state(current, now)
    # Created with data, a run is answered with an error: it gets its data by force.
    body: dict[str, Any] = {"state": {"type": "PENDING"} if "data" in first else first}
    if "deployment" in flags:
        body["deployment_id"] = server.deployment
    if "retries" in flags:
        body["empirical_policy"] = {"retries": 1}
    run = await server.run(**body)
    if "data" in first:
        await server.propose(run, first, True)
    if cases.has_pid(current):
        await server.ask("PATCH", f"/flow_runs/{run}", {"infrastructure_pid": "7"})
    return await server.propose(run, cases.state(wanted, now), "force" in flags)


async def matrix(server: Server) -> dict[str, dict[str, Any]]:
    """Per pair of states the answer, or where flags matter each answer with the flags that lead to it."""
    found: dict[str, dict[str, Any]] = {}
    for current in cases.FROM:
        found[current] = {}
        for wanted in cases.TO:
            answers: dict[str, list[str]] = defaultdict(list)
            for flags in cases.flag_sets():
                answers[await one(server, current, wanted, flags)].append("+".join(flags) or "plain")
            found[current][wanted] = next(iter(answers)) if len(answers) == 1 else dict(answers)
        print(current, flush=True)
    return found


async def story(server: Server, told: dict[str, Any]) -> list[str]:
    body: dict[str, Any] = {"empirical_policy": told.get("policy", {})}
    if told.get("deployment"):
        body["deployment_id"] = server.deployment
    if told.get("parent"):
        task = {"flow_run_id": await server.run(), "task_key": "k", "dynamic_key": "0", "name": "t"}
        body["parent_task_run_id"] = (await server.ask("POST", "/task_runs/", task)).json()["id"]
    run = await server.run(**body)
    return [await step(server, run, each) for each in told["steps"]]


async def step(server: Server, run: str, each: dict[str, Any]) -> str:
    path = f"/flow_runs/{run}"
    if "type" in each:
        state = cases.in_time({key: value for key, value in each.items() if key != "force"}, datetime.now(UTC))
        return await server.propose(run, state, each.get("force", False))
    if "resume" in each:
        return await server.told(run, await server.ask("POST", f"{path}/resume", {"run_input": each["resume"]}))
    if "patch" in each:
        return str((await server.ask("PATCH", path, each["patch"])).status_code)
    if "input" in each:
        body = {"key": each["input"], "value": each["value"]}
        return str((await server.ask("POST", f"{path}/input", body)).status_code)
    return (await server.ask("GET", f"{path}/input/{each['read input']}")).text


async def main() -> None:
    app = create_app(ephemeral=True, webserver_only=True)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://reference/api") as client,
    ):
        server = Server(client)
        await server.prepare()
        record = {
            "prefect": prefect.__version__,
            "stories": {name: await story(server, told) for name, told in cases.STORIES.items()},
            "matrix": await matrix(server),
        }
    cases.RECORD.parent.mkdir(exist_ok=True)
    cases.RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
