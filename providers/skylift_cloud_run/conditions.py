"""Pure: what Cloud Run says of jobs, executions and tasks, as the port's observations."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from skylift.provider import Fault, Observation
from skylift_cloud_run.views import Condition, Execution, Job, Task

KILLED = 137
IMAGE = "Push the image, or correct the job variable 'image'; Cloud Run's service agent must be allowed to read it"
SECRETS = (
    "See that the secrets exist, and grant the job's service account roles/secretmanager.secretAccessor on each of them"
)
SETUP: dict[str, str] = {
    "CONTAINER_MISSING": IMAGE,
    "CONTAINER_PERMISSION_DENIED": IMAGE,
    "CONTAINER_IMAGE_UNAUTHORIZED": "Binary Authorization does not allow this image: sign it, or change the policy",
    "CONTAINER_IMAGE_AUTHORIZATION_CHECK_FAILED": "See the project's policy of Binary Authorization",
    "ENCRYPTION_KEY_PERMISSION_DENIED": "Grant Cloud Run's service agent the use of the encryption key",
    "ENCRYPTION_KEY_CHECK_FAILED": "See that the encryption key exists and is enabled",
    "SECRETS_ACCESS_CHECK_FAILED": SECRETS,
    "VPC_NETWORK_NOT_FOUND": "Correct 'network', 'subnetwork' or 'vpc_connector_name'",
}
"""google.cloud.run.v2.Condition.CommonReason, those that would come again: what to do."""
PASSING = frozenset(
    ["PROGRESS_DEADLINE_EXCEEDED", "INTERNAL", "IMMEDIATE_RETRY", "POSTPONED_RETRY", "WAITING_FOR_OPERATION"]
)
"""Those that another try may not meet."""
MORE_ROOM = "It is tried again; name other regions in 'capacity_fallbacks', or ask for more quota"
WORDS: tuple[tuple[str, Fault, str], ...] = (
    (r"no capacity|not available|insufficient|resource.*(exhausted|unavailable)|quota", "capacity", MORE_ROOM),
    (r"secret", "setup", SECRETS),
    (r"image", "setup", IMAGE),
    (r"service account|permission|denied", "setup", "See that the job's service account exists, and what it may do"),
    (r"vpc|network|subnet", "setup", SETUP["VPC_NETWORK_NOT_FOUND"]),
    (r"volume|mount|bucket|nfs", "setup", "See that what 'job_body' mounts exists, and may be read"),
)
"""What is said of an execution whose container never began."""


def observe_job(job: Job) -> Observation:
    """Of a job of one run whose execution is not there (yet)."""
    if job.reconciling or job.ready.state not in ("FAILED", "SUCCEEDED"):
        return Observation("starting")
    if job.ready.state == "SUCCEEDED":
        return Observation("gone")
    fault, remedy = fault_of(job.ready)
    at = job.updated_at or job.created_at
    return Observation("ended", reason=in_words(job.ready), ended_at=at, fault=fault, remedy=remedy)


def fault_of(ready: Condition) -> tuple[Fault, str]:
    """Why a job cannot be run, and what to do."""
    if ready.reason in SETUP:
        return "setup", SETUP[ready.reason]
    return ("capacity", MORE_ROOM) if ready.reason in PASSING else _by_words(ready.message)


def in_words(condition: Condition) -> str:
    return ": ".join(each for each in (condition.reason, condition.message) if each) or "Cloud Run gives no reason"


def observe(execution: Execution, tasks: Callable[[], Sequence[Task]]) -> Observation:
    """Of one execution. `tasks` is only asked of a failed one."""
    name, began, ended = execution.name, execution.started_at, execution.completed_at
    if not execution.is_over:
        phase = execution.running or began
        return Observation("running" if phase else "starting", name, started_at=began)
    done = execution.completed
    if done.state == "SUCCEEDED" and execution.succeeded == execution.tasks > 0:
        return Observation("ended", name, 0, None, began or execution.created_at, ended)
    if done.reason in ("CANCELLED", "DELETED") or execution.cancelled:
        return Observation("ended", name, None, done.message or "The execution was cancelled.", began, ended)
    task = next((each for each in tasks() if each.exit_code or each.signal or each.message), None)
    if task and (task.exit_code or task.signal):
        return _exited(execution, task)
    return _never_began(execution, task)


def best_of(seen: Sequence[Observation]) -> Observation:
    """Of an attempt's executions, of which one at most was admitted and the others ended at once with 0: what runs
    counts, then what failed."""
    ranks = {"running": 0, "starting": 1, "ended": 2, "gone": 3}
    return min(seen, key=lambda each: (ranks[each.phase], each.exit_code == 0))


def _exited(execution: Execution, task: Task) -> Observation:
    code = task.exit_code or 128 + task.signal
    reason, remedy = task.message or execution.completed.message, None
    if re.search(r"memory limit", reason, re.IGNORECASE):
        code, remedy = KILLED, "Raise the job variable 'memory'"
    elif re.search(r"timeout", reason, re.IGNORECASE):
        remedy = "Raise the job variable 'timeout_seconds' (or 'timeout')"
    elif code == KILLED:
        reason = f"{reason} It was killed: perhaps it was short of memory.".strip()
        remedy = "See its memory in the cloud's console, and raise the job variable 'memory'"
    return Observation(
        "ended", execution.name, code, reason, execution.started_at, execution.completed_at, remedy=remedy
    )


def _never_began(execution: Execution, task: Task | None) -> Observation:
    """It is over, and there is no exit code: no container of it ran, or nobody can tell how it ended."""
    failed = [each for each in execution.conditions.values() if each.state == "FAILED"]
    cause = next((each for each in failed if each.reason in SETUP or each.reason in PASSING), None)
    reason = (task.message if task else "") or in_words(cause or execution.completed)
    fault: Fault | None
    if cause:
        fault, remedy = fault_of(cause)
    else:
        fault, remedy = _by_words(f"{reason} {' '.join(each.message for each in failed)}")
    if execution.started_at and not cause and not any(re.search(each[0], reason.lower()) for each in WORDS):
        fault = None  # it had begun, and ended in a way that Cloud Run cannot tell
    return Observation(
        "ended", execution.name, None, reason, execution.started_at, execution.completed_at, fault, remedy
    )


def _by_words(message: str) -> tuple[Fault, str]:
    for pattern, fault, remedy in WORDS:
        if re.search(pattern, message.lower()):
            return fault, remedy
    return "setup", "Look at the execution in the cloud's console"
