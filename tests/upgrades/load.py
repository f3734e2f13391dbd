"""A real service under load: clients that ask for runs of a short command, one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.api.making import ok
from tests.support.service import PATIENCE, Serving

EVERY = 0.5
"""Seconds between two runs: each is a process of its own, on a machine that has other things to do."""


def client(service: Serving) -> httpx.Client:
    return httpx.Client(base_url=f"{service.url}/", timeout=30)


@dataclass
class Load:
    """What was asked for, in order. Every answer has to be a 201."""

    http: httpx.Client
    deployment: str
    runs: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def ask(self) -> str:
        made: str = ok(self.http.post(f"deployments/{self.deployment}/create_flow_run", json={}), 201)["id"]
        self.runs.append(made)
        return made

    def until_ended(self, *runs: str) -> set[str]:
        """Wait until these (or all) have ended; in which states they are."""
        wanted = {"flow_runs": {"id": {"any_": list(runs or self.runs)}}}
        deadline = time.monotonic() + PATIENCE
        while True:
            states = {each["state_type"] for each in ok(self.http.post("flow_runs/filter", json=wanted))}
            if not states & {"SCHEDULED", "PENDING", "RUNNING"}:
                return states
            assert time.monotonic() < deadline, states
            time.sleep(0.1)


@contextmanager
def under_load(http: httpx.Client, command: str = "true") -> Iterator[Load]:
    """Runs of this command are asked for until the block is left."""
    pool = {"name": "local", "type": "process:push"}
    ok(http.post("work_pools/", json=pool), 201)
    load = Load(http, deployment(http, "short", command))
    load.ask()
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(EVERY):
            try:
                load.ask()
            except Exception as error:
                load.faults.append(repr(error))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield load
    finally:
        over.set()
        thread.join()
    assert not load.faults, load.faults[:3]


def deployment(http: httpx.Client, name: str, command: str) -> str:
    """Of a bare command in the pool `local`."""
    flow = http.post("flows/", json={"name": "flow"}).json()["id"]
    body: dict[str, Any] = {"name": name, "flow_id": flow, "work_pool_name": "local"}
    variables = {"command": command, "runner": False}
    made: str = ok(http.post("deployments/", json=body | {"job_variables": variables}), 201)["id"]
    return made
