"""Runs that write evidence, in an installation of functions: what is made for them, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import func, select

from skylift.models.flows import DeploymentCreate, FlowCreate
from skylift.models.pools import PoolSettings, WorkPoolCreate
from skylift.provider import Provider
from skylift.store import Store, deployments, flows, pools
from skylift.store.tables import attempts, ended_attempts, flow_runs
from skylift.store.tables import deployments as deployments_table
from tests.chaos import evidence
from tests.functions.senders import Caller, Sender

API_KEY = "key-of-the-tests-hunter2"


class Workload:
    """Over the installation's database. `tick` is the timer."""

    def __init__(self, database_url: str, folder: Path, provider: Provider, variables: Mapping[str, Any]) -> None:
        """`variables`: of the pool, by name."""
        self.folder, self.provider, self.variables = folder, provider, variables
        self.evidence = folder / "evidence"
        (folder / "work.sh").write_text(evidence.SCRIPT)
        (folder / "work.py").write_text(evidence.FUNCTION)
        self.store = Store(database_url)

    @property
    def address(self) -> str:
        """The URL that the API and the webhooks are under."""
        raise NotImplementedError

    def tick(self) -> object:
        raise NotImplementedError

    def ticking(self, every: float, until: Callable[[], bool], seconds: float) -> None:
        """Tick now and then until it is so."""
        end, tick_at = time.monotonic() + seconds, time.monotonic()
        while not until():
            assert time.monotonic() < end, (
                f"not within {seconds:g} s: {self.states()} {self.leftovers()} {self.runs_of_deployments()}"
            )
            if time.monotonic() >= tick_at:
                self.tick()
                tick_at = time.monotonic() + every
            time.sleep(0.1)

    # -- making

    def pool(self, name: str = "cloud", **settings: Any) -> UUID:
        template = self.provider.base_job_template()
        for variable, value in self.variables.items():
            template["variables"]["properties"][variable]["default"] = value
        wanted = WorkPoolCreate(
            name=name, type=self.provider.type, base_job_template=template, settings=PoolSettings(**settings)
        )
        made: UUID = self.store.transaction(pools.create, wanted).id
        return made

    def deployment(self, name: str, *, slots: int, every: int = 1, lasts: float = 0.1, after: float = 1.0) -> UUID:
        """Of a bare command, with a schedule of so many slots, from `after` seconds ahead on; none of 0."""
        rule = f"DTSTART:{_ahead(after)}\nRRULE:FREQ=SECONDLY;INTERVAL={every};COUNT={slots}"
        return self._deploy(
            name,
            engine="command",
            job_variables={
                "env": {"EVIDENCE": str(self.evidence), "LASTS": str(lasts)},
                "runner": False,
                "command": f"/bin/sh {self.folder}/work.sh",
            },
            schedules=[{"schedule": {"rrule": rule}}] if slots else [],
        )

    def function_deployment(self, name: str = "function", *, after: float = 1.0) -> UUID:
        """Of a Python function, whose runner speaks to the API; due once."""
        return self._deploy(
            name,
            engine="python",
            entrypoint="work.py:work",
            path=str(self.folder),
            job_variables={"env": {"EVIDENCE": str(self.evidence), "LASTS": "0.1"}},
            schedules=[{"schedule": {"rrule": f"DTSTART:{_ahead(after)}\nRRULE:FREQ=DAILY;COUNT=1"}}],
        )

    def _deploy(self, name: str, **values: Any) -> UUID:
        flow, _ = self.store.transaction(flows.create, FlowCreate(name="flow"))
        about = {"name": name, "flow_id": flow.id, "work_pool_name": "cloud", **values}
        wanted = DeploymentCreate.model_validate(about)
        made: UUID = self.store.transaction(deployments.upsert, wanted)[0].id
        return made

    def webhook(self) -> Sender:
        """A webhook, made through the API, whose runs are a bare command; and whoever sends to it."""
        about = {"name": "orders", "deployment_id": str(self.deployment("by-hook", slots=0))}
        headers = {"Authorization": f"Bearer {API_KEY}"}
        made = httpx.post(f"{self.address}/api/skylift/webhooks/", json=about, headers=headers, timeout=60)
        assert made.status_code == 201, made.text
        return Sender(self.address + made.json()["path"], made.json()["secret"])

    def caller(self) -> Caller:
        """Whoever starts runs of a bare command through the API."""
        return Caller(f"{self.address}/api/deployments/{self.deployment('by-call', slots=0)}", API_KEY)

    # -- looking

    def states(self) -> dict[str, int]:
        with self.store.reading() as tx:
            number = func.count().label("number")
            rows = tx.all(select(flow_runs.c.state_name, number).group_by(flow_runs.c.state_name))
        return {row.state_name: row.number for row in rows}

    def runs_of_deployments(self) -> dict[str, int]:
        """How many there are of each."""
        with self.store.reading() as tx:
            joined = deployments_table.outerjoin(flow_runs, flow_runs.c.deployment_id == deployments_table.c.id)
            number = func.count(flow_runs.c.id).label("number")
            query = select(deployments_table.c.name, number).select_from(joined).group_by(deployments_table.c.name)
            rows = tx.all(query)
        return {row.name: row.number for row in rows}

    def completed(self) -> int:
        return self.states().get("Completed", 0)

    def leftovers(self) -> list[str]:
        with self.store.reading() as tx:
            live = tx.all(select(attempts.c.id, attempts.c.phase))
            unclean = tx.all(select(ended_attempts.c.id).where(ended_attempts.c.cleanup_at.is_not(None)))
        return [*(f"attempt {row.id} {row.phase}" for row in live), *(f"unclean {row.id}" for row in unclean)]

    def begun(self) -> dict[str, int]:
        """How often each run's own command began."""
        found: dict[str, int] = {}
        for line in evidence.read(self.evidence):
            if line.word == "start":
                found[line.run] = found.get(line.run, 0) + 1
        return found

    def check(self, runs: int) -> None:
        """Nothing lost, nothing doubled."""
        assert self.states() == {"Completed": runs}
        begun = self.begun()
        assert len(begun) == runs
        assert set(begun.values()) == {1}


def _ahead(seconds: float) -> str:
    """A whole second, and not earlier: what lies before its schedule is made is no slot of it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds + 1)).strftime("%Y%m%dT%H%M%SZ")
