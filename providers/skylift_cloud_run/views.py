"""What the façade gives back: the few facts of Cloud Run's resources that Skylift reads, without the SDK's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID


class Place(NamedTuple):
    """Where jobs are."""

    project: str
    region: str

    @property
    def parent(self) -> str:
        return f"projects/{self.project}/locations/{self.region}"

    def job(self, job_id: str) -> str:
        return f"{self.parent}/jobs/{job_id}"


def place_of(name: str) -> Place | None:
    """Of a job's or an execution's full name; None where it is neither."""
    parts = name.split("/")
    if len(parts) < 6 or parts[0::2][:3] != ["projects", "locations", "jobs"]:
        return None
    return Place(parts[1], parts[3])


def job_of(execution: str) -> str:
    """The full name of an execution's job."""
    return execution.partition("/executions/")[0]


def own_execution(job: str, token: str) -> str:
    """The full name of the execution that a job was created with."""
    return f"{job}/executions/{short(job)}-{token}"


def short(name: str) -> str:
    return name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Condition:
    """`state`: PENDING, RECONCILING, FAILED or SUCCEEDED; `reason`: the API's name for it, or empty."""

    state: str = "PENDING"
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job; `latest`: the short name of its last execution, and that one's completion status."""

    name: str
    labels: Mapping[str, str]
    ready: Condition
    reconciling: bool
    created_at: datetime | None
    updated_at: datetime | None
    etag: str
    latest: str = ""
    latest_status: str = ""
    latest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution; `conditions` by type."""

    name: str
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    tasks: int
    succeeded: int
    running: int
    cancelled: int
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def completed(self) -> Condition:
        return self.conditions.get("Completed", Condition())

    @property
    def is_over(self) -> bool:
        return self.completed_at is not None or self.completed.state in ("SUCCEEDED", "FAILED")


@dataclass(frozen=True, slots=True)
class Task:
    """How a task's last attempt ended."""

    exit_code: int
    signal: int
    message: str
    has_started: bool


def to_job(found: Any) -> Job:
    latest = found.latest_created_execution
    return Job(
        name=found.name,
        labels=dict(found.labels),
        ready=_condition(found.terminal_condition),
        reconciling=bool(found.reconciling),
        created_at=_time(found.create_time),
        updated_at=_time(found.update_time),
        etag=found.etag,
        latest=short(latest.name) if latest else "",
        latest_status=_name(latest.completion_status).removeprefix("EXECUTION_") if latest else "",
        latest_at=_time(latest.create_time) if latest else None,
    )


def to_execution(found: Any) -> Execution:
    containers = found.template.containers if found.template else []
    return Execution(
        name=found.name,
        created_at=_time(found.create_time),
        started_at=_time(found.start_time),
        completed_at=_time(found.completion_time),
        tasks=found.task_count,
        succeeded=found.succeeded_count,
        running=found.running_count,
        cancelled=found.cancelled_count,
        conditions={each.type_: _condition(each) for each in found.conditions},
        env={each.name: each.value for container in containers for each in container.env},
    )


def to_task(found: Any) -> Task:
    result = found.last_attempt_result
    message = result.status.message if result and result.status else ""
    started = _time(found.start_time) is not None
    return Task(result.exit_code if result else 0, result.term_signal if result else 0, message, started)


def attempt_of(execution: Execution, variable: str) -> UUID | None:
    """The attempt that an execution's variables name."""
    try:
        return UUID(execution.env.get(variable, ""))
    except ValueError:
        return None


def _condition(found: Any) -> Condition:
    if not found:
        return Condition()
    reason = _name(found.execution_reason) if "execution_reason" in found else ""
    reason = reason or (_name(found.reason) if "reason" in found else "")
    return Condition(_name(found.state).removeprefix("CONDITION_"), reason, found.message)


def _name(value: Any) -> str:
    """An enum's name; the number of one that this SDK does not know."""
    return str(getattr(value, "name", value))


def _time(value: Any) -> datetime | None:
    """The SDK's timestamps, as plain datetimes; None where unset."""
    if not value or value.timestamp() <= 0:
        return None
    return datetime.fromtimestamp(value.timestamp(), UTC)
