"""Events as Prefect's engine sends them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from skylift.ids import RUN_TOKEN_PREFIX, new_id, new_token, token_hash
from skylift.store import Tx
from skylift.store.tables import attempts
from tests.api.making import Api, ok
from tests.support.installation import START, Installation

PATIENCE = 20.0


def event(name: str = "something.happened", on: str = "my.thing", **values: Any) -> dict[str, Any]:
    """An event with as little as it needs."""
    made = {
        "id": str(new_id()),
        "occurred": START.isoformat(),
        "event": name,
        "resource": {"prefect.resource.id": on},
        "related": [],
        "payload": {},
    }
    return made | values


def related(kind: str, key: object, **labels: str) -> dict[str, str]:
    return {"prefect.resource.id": f"prefect.{kind}.{key}", "prefect.resource.role": kind, **labels}


def of_task_run(
    flow_run_id: object,
    task_run_id: object,
    type_: str,
    *,
    name: str | None = None,
    at: datetime = START,
    key: str = "double",
    dynamic_key: str = "0",
    follows: str | None = None,
    **task_run: Any,
) -> dict[str, Any]:
    """What the engine reports when a task run enters a state."""
    name = name or type_.capitalize()
    told = {"name": f"{key}-{dynamic_key}", "task_key": key, "dynamic_key": dynamic_key, "total_run_time": 0.0}
    return event(
        f"prefect.task-run.{name}",
        f"prefect.task-run.{task_run_id}",
        occurred=at.isoformat(),
        resource={
            "prefect.resource.id": f"prefect.task-run.{task_run_id}",
            "prefect.state-type": type_,
            "prefect.orchestration": "client",
        },
        related=[related("flow-run", flow_run_id)],
        payload={
            "task_run": told | task_run,
            "validated_state": {"type": type_, "name": name, "message": "", "state_details": {}, "data": None},
        },
        follows=follows,
    )


def life(
    flow_run_id: object, task_run_id: UUID, *, start: datetime = START, retries: int = 1, **values: Any
) -> list[dict[str, Any]]:
    """A task run that fails so often, and then completes: its events in order, each following the one before."""
    began = start + timedelta(seconds=1)
    told: list[tuple[str, str, dict[str, Any]]] = [("PENDING", "Pending", {"run_count": 0})]
    for count in range(1, retries + 2):
        running = {"run_count": count, "start_time": began.isoformat()}
        told.append(("RUNNING", "Running" if count == 1 else "Retrying", running))
        if count <= retries:
            told.append(("SCHEDULED", "AwaitingRetry", running | {"next_scheduled_start_time": start.isoformat()}))
    end = (start + timedelta(seconds=len(told))).isoformat()
    told.append(("COMPLETED", "Completed", running | {"end_time": end, "total_run_time": 1.5}))
    made: list[dict[str, Any]] = []
    for number, (type_, name, task_run) in enumerate(told):
        follows = made[-1]["id"] if made else None
        at = start + timedelta(seconds=number)
        made.append(
            of_task_run(flow_run_id, task_run_id, type_, name=name, at=at, follows=follows, **values, **task_run)
        )
    return made


def names(page: dict[str, Any]) -> list[str]:
    return [each["event"] for each in page["events"]]


def flow_run(api: Api, type_: str = "RUNNING", **body: Any) -> str:
    wanted = {"flow_id": api.flow(), "state": {"type": type_}} | body
    run_id: str = ok(api.http.post("flow_runs/", json=wanted), 201)["id"]
    return run_id


def send(api: Api, *batch: dict[str, Any], headers: Any = None) -> None:
    ok(api.http.post("events", json=batch, headers=headers), 204)


def token_of(place: Installation, run_id: str) -> str:
    """The token of a live attempt of the run."""
    made = RUN_TOKEN_PREFIX + new_token()

    def insert(tx: Tx) -> None:
        values: dict[str, Any] = dict.fromkeys(("lease_until", "claimed_at", "look_at"), tx.now)
        values |= {name: new_id() for name in ("id", "lease_owner", "work_pool_id", "work_queue_id")}
        values |= {"provider_type": "cloud:push", "phase": "admitted", "launch_calls": 1, "reports": True}
        values |= {"output_offset": 0, "flow_run_id": UUID(run_id), "token_hash": token_hash(made)}
        tx.run(attempts.insert().values(**values))

    place.store.transaction(insert)
    return made


def until(check: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := check()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)
    return found
