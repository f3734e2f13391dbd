"""The people and programs around a storm: they set it up, ask for runs, deliver events, cancel, and steal.

Whoever has no answer asks again, with the same idempotency key or the same delivery, until there is one.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

from skylift.models.webhooks import SignatureKind
from skylift.webhooks.signatures import sign
from tests.chaos.evidence import FUNCTION, SCRIPT
from tests.chaos.storm.plan import Act
from tests.providers.journeys import Ground

LIMITS = {"pool": 3, "middle": 1, "narrow": 2}
SETTINGS = {"lease": 6, "heartbeat": 2, "cancel_grace": 2, "infrastructure_retries": 8}
SCHEDULED_EVERY = 13
"""Seconds."""
TIMEOUT, AGAIN = 15.0, 1.0
"""Seconds until a user loses patience with an answer, and until the next try."""
SIGNING, SECRET = "hunter2-of-the-webhooks", "hunter2-of-the-runs"


@dataclass(eq=False)
class Users:
    """`url`: of the API, without /api. `folder`: where the runs' code is, and where they write evidence."""

    url: str
    folder: Path
    seed: int
    asked: dict[str, Any] = field(default_factory=lambda: {"acts": [], "slots": [], "thefts": [], "cancelled": []})
    made: dict[str, str] = field(default_factory=dict)
    """Ids of runs by their keys."""
    deployments: dict[tuple[str, str], str] = field(default_factory=dict)
    """Ids by pool and name."""
    hooks: dict[str, str] = field(default_factory=dict)
    """Paths of webhooks by pool."""
    patience: float = 600.0
    _scheduled: dict[str, datetime] = field(default_factory=dict)
    """The first slot of each deployment with a schedule."""
    _under_way: list[Future[None]] = field(default_factory=list)
    _leaving: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=64)
        self.http = httpx.Client(base_url=self.url, timeout=TIMEOUT, limits=limits)
        self.threads = ThreadPoolExecutor(16, "user")
        self.chance = random.Random(self.seed)
        (self.folder / "work.sh").write_text(SCRIPT)
        (self.folder / "work.py").write_text(FUNCTION)

    # -- setting up, in fair weather

    def ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self.http.request(method, f"/api{path}", json=body, timeout=60)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def furnish(self, grounds: Mapping[str, Ground | None]) -> None:
        """A pool of each name: on this machine where there is no ground, else in that cloud."""
        schema, kind = self._secret_block_schema()
        document = {"name": "password", "data": {"value": SECRET}, "block_schema_id": schema, "block_type_id": kind}
        self.ask("POST", "/block_documents/", document)
        templates = self.ask("GET", "/collections/views/aggregate-worker-metadata")
        known = {type_: each for package in templates.values() for type_, each in package.items()}
        flow = self.ask("POST", "/flows/", {"name": "flow"})["id"]
        for pool, ground in grounds.items():
            type_ = ground.type if ground else "process:push"
            template = known[type_]["default_base_job_configuration"]
            for name, value in (ground.variables if ground else {}).items():
                template["variables"]["properties"][name]["default"] = value
            body = {"name": pool, "type": type_, "base_job_template": template}
            self.ask("POST", "/work_pools/", body | {"concurrency_limit": LIMITS["pool"], "settings": SETTINGS})
            self.ask("POST", f"/work_pools/{pool}/queues", {"name": "high", "priority": 1})
            middle = {"name": "middle", "priority": 2, "concurrency_limit": LIMITS["middle"]}
            self.ask("POST", f"/work_pools/{pool}/queues", middle)
            self._deploy(flow, pool)

    def _deploy(self, flow: str, pool: str) -> None:
        env = {"EVIDENCE": str(self.folder / "evidence"), "LASTS": str(self.chance.choice([0.2, 0.5, 1.0]))}
        secret = {"PASSWORD": "{{ prefect.blocks.secret.password }}"}
        bare = {"runner": False, "command": f"/bin/sh {self.folder}/work.sh", "env": env}
        python = {"engine": "python", "entrypoint": "work.py:work"}
        pull = [{"prefect.deployments.steps.set_working_directory": {"directory": str(self.folder)}}]
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
        schedule = {"schedule": {"interval": SCHEDULED_EVERY, "anchor_date": start.isoformat()}}
        deployments: dict[str, dict[str, Any]] = {
            "wide": {"engine": "command", "job_variables": bare},
            "narrow": {"engine": "command", "job_variables": bare, "concurrency_limit": LIMITS["narrow"]},
            "runner": {**python, "pull_steps": pull, "job_variables": {"env": env | secret}},
            "hooked": {"engine": "command", "job_variables": bare},
            "scheduled": {"engine": "command", "job_variables": bare, "schedules": [schedule]},
        }
        for name, values in deployments.items():
            body = {"name": f"{pool}-{name}", "flow_id": flow, "work_pool_name": pool, **values}
            self.deployments[pool, name] = self.ask("POST", "/deployments/", body)["id"]
        self._scheduled[self.deployments[pool, "scheduled"]] = start
        hook = {"name": pool, "deployment_id": self.deployments[pool, "hooked"], "kind": "hmac", "secret": SIGNING}
        template = {"name": "{{ body.key }}"}
        self.hooks[pool] = self.ask("POST", "/skylift/webhooks/", {**hook, "template": template})["path"]

    def _secret_block_schema(self) -> tuple[str, str]:
        kind = self.ask("GET", "/block_types/slug/secret")["id"]
        found = self.ask("POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}})
        return found[0]["id"], kind

    # -- in the storm

    def act(self, act: Act) -> None:
        """Begin it; it goes on beside others."""
        self._under_way.append(self.threads.submit(self._act, act))

    def _act(self, act: Act) -> None:
        until, answered = time.monotonic() + self.patience, False
        if act.what == "cancel":
            self.asked["cancelled"].append(act.key)
        while not answered and time.monotonic() < until and not self._leaving.is_set():
            try:
                answered = getattr(self, f"_{act.what}")(act)
            except httpx.HTTPError:
                pass
            if not answered:
                time.sleep(AGAIN)
        self.asked["acts"].append({**asdict(act), "answered": answered})

    def _run(self, act: Act) -> bool:
        body = {
            "name": act.key,
            "idempotency_key": act.key,
            "work_queue_name": act.queue,
            "state": {"type": "SCHEDULED"},
        }
        deployment = self.deployments[act.pool, act.deployment]
        answer = self.http.post(f"/api/deployments/{deployment}/create_flow_run", json=body)
        if answer.is_success:
            self.made[act.key] = answer.json()["id"]
        return answer.is_success

    def _deliver(self, act: Act) -> bool:
        headers, body = self._signed(act.key)
        answer = self.http.post(self.hooks[act.pool], content=body, headers=headers)
        if answer.is_success:
            self.made[act.key] = answer.json()["flow_run_id"]
        return answer.is_success

    @lru_cache  # noqa: B019 - the same delivery each time it is sent; they all live as long as the storm
    def _signed(self, key: str) -> tuple[dict[str, str], bytes]:
        body = json.dumps({"key": key}).encode()
        headers = sign(SignatureKind.HMAC, SIGNING, body, now=datetime.now(UTC))
        return {"content-type": "application/json", **headers}, body

    def _cancel(self, act: Act) -> bool:
        run = self.made.get(act.key)
        if not run:
            return False
        body = {"state": {"type": "CANCELLING"}}
        return self.http.post(f"/api/flow_runs/{run}/set_state", json=body).is_success

    def steal(self, tokens: Path, runs_of: Mapping[str, str]) -> None:
        """Try with each token that was overheard to end somebody else's run, and to write its logs."""
        lines = tokens.read_text().splitlines() if tokens.exists() else []
        victims = [*self.made.values()]
        for line in self.chance.sample(lines, min(len(lines), 12)):
            held = json.loads(line)
            victim = self.chance.choice([each for each in victims if each != runs_of.get(held["attempt"])])
            headers = {"Authorization": f"Bearer {held['token']}"}
            log = {
                "flow_run_id": victim,
                "level": 20,
                "message": "mine",
                "name": "n",
                "timestamp": "2026-01-01T00:00:00Z",
            }
            for what, path, body in (
                ("the end", f"/api/flow_runs/{victim}/set_state", {"state": {"type": "COMPLETED"}, "force": True}),
                ("a log", "/api/logs/", [log]),
                ("the name", f"/api/flow_runs/{victim}", {"name": "stolen"}),
            ):
                method = "PATCH" if what == "the name" else "POST"
                status = self.http.request(method, path, json=body, headers=headers, timeout=60).status_code
                theft = {"whose": held["attempt"], "what": what, "victim": victim, "status": status}
                self.asked["thefts"].append(theft)

    # -- after it

    def are_answered(self) -> bool:
        """Whether the API is there."""
        try:
            return self.http.get("/api/health").is_success
        except httpx.HTTPError:
            return False

    def have_all_answers(self) -> bool:
        """Whether everybody has, or has given up."""
        return all(each.done() for each in self._under_way)

    def end_schedules(self) -> None:
        """From now on no slots come; those that did are on record as asked for."""
        for deployment, first in self._scheduled.items():
            # The last ones may have been taken back by this very request.
            until = datetime.now(UTC) - timedelta(seconds=1)
            self.ask("PATCH", f"/deployments/{deployment}", {"paused": True})
            while first < until:
                self.asked["slots"].append({"deployment": deployment, "slot": first.isoformat()})
                first += timedelta(seconds=SCHEDULED_EVERY)

    def close(self) -> None:
        self._leaving.set()
        self.threads.shutdown(cancel_futures=True)
        self.http.close()
