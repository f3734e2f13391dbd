"""Pure: what a task's description says of an attempt. DescribeTasks and ECS's events describe it alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from skylift.provider import Fault, Observation

STARTING = frozenset(["PROVISIONING", "PENDING", "ACTIVATING"])
LOST = frozenset(["SpotInterruption", "TerminationNotice", "InfrastructureHealth"])
"""Stop codes that say that the machine was taken away: whatever the container's exit code, it is not its own."""
KILLED = 137
MAYBE_MEMORY = ", perhaps for want of memory"
"""ECS says OutOfMemoryError only of a container's own limit, not of the task's."""
OVERDUE = "skylift: the run went beyond its timeout"
"""The reason that a task is stopped with when its time is over."""
ROUTE = "See that its subnets reach the registry and AWS (a public IP, a NAT gateway or VPC endpoints)"
PULLING = "ecr:GetAuthorizationToken, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"
EXECUTION_ROLE = "See that 'execution_role_arn' may read it, and that it is there, in this region"

NEVER_BEGAN: list[tuple[str, Fault, str]] = [
    (
        r"cannotpull.*(toomanyrequests|too many requests|rate limit|429)",
        "capacity",
        "The registry limits how often images are pulled: mirror the image in ECR, or sign in to the registry",
    ),
    (r"cannotpull.*(i/o timeout|deadline|timed? ?out|no route|dial tcp|connection re)", "setup", ROUTE),
    (
        r"cannotpull.*no space left",
        "setup",
        "Give it more 'ephemeral_storage', or use a smaller image",
    ),
    (
        r"cannotpull.*(matching platform|no matching manifest|architecture)",
        "setup",
        "Build the image for the task's architecture, or set 'cpu_architecture' to the image's",
    ),
    (
        r"cannotpull.*\.ecr\..*(403 forbidden|denied)",
        "setup",
        f"See that 'execution_role_arn' may pull it: {PULLING}",
    ),
    (
        r"cannotpull|no such image",
        "setup",
        "See that 'image' is spelled right and there, and that 'execution_role_arn' may pull it",
    ),
    (
        r"network interface provisioning|eni |elastic network interface",
        "capacity",
        "The subnets may be short of IP addresses",
    ),
    (
        r"capacity is unavailable|resource:|no capacity|insufficient|ephemeralstorage provisioning",
        "capacity",
        "Name other places in 'capacity_fallbacks', or wait: it is tried again by itself",
    ),
    (
        r"resourceinitializationerror.*(environment file|env ?file|s3)",
        "setup",
        "See that 'execution_role_arn' may read the bucket (s3:GetObject, s3:GetBucketLocation)",
    ),
    (
        r"resourceinitializationerror.*(logger|log group|log stream|cloudwatch)",
        "setup",
        "Create the log group, or let Skylift create it (logs:CreateLogGroup); see that 'execution_role_arn' may write",
    ),
    (r"resourceinitializationerror.*(i/o timeout|deadline|connection issue|dial tcp)", "setup", ROUTE),
    (r"resourceinitializationerror.*(secret|ssm|parameter|registry auth|asm)", "setup", EXECUTION_ROLE),
    (r"resourceinitializationerror.*(efs|volume|mount)", "setup", "See to the volumes in 'task_definition'"),
    (
        r"(cannotstart|cannotcreate|containerruntime|cannotinspect).*(exec|no such file|permission denied|not found)",
        "setup",
        "See that the image has the command (and 'python', where the runner is used), and for the right architecture",
    ),
    (
        r"unable to assume|not authorized|accessdenied|access denied",
        "setup",
        "See that 'execution_role_arn' and 'task_role_arn' trust ecs-tasks.amazonaws.com and may do what it says",
    ),
]
"""Of tasks that never began: words of the reason, what that means, and what to do. What fits none is launched again by
the pool's retries of infrastructure: about one Fargate task in a hundred fails to start for no lasting reason."""

REMEDIES = [
    (rf"outofmemory|{MAYBE_MEMORY}", "Give it more 'memory'"),
    (r"spot", "Spot capacity is taken back at any time: use FARGATE, or let the pool launch again ('on_infra_loss')"),
    (r"cannotpull|no space left on device", "Give it more 'ephemeral_storage'"),
]


def observe(task: Mapping[str, Any]) -> Observation:
    """Raises nothing but for descriptions that are not as they are documented."""
    arn, status = str(task["taskArn"]), str(task.get("lastStatus", ""))
    started = _at(task.get("startedAt"))
    if status == "DELETED":
        return Observation("gone")
    if status != "STOPPED":
        phase = "starting" if status in STARTING else "running"
        return Observation(phase, arn, started_at=started)  # type: ignore[arg-type]
    mine = _container(task)
    code, told = mine.get("exitCode"), _reason(task, mine)
    stop_code = str(task.get("stopCode", ""))
    if code == KILLED and stop_code == "EssentialContainerExited" and "OutOfMemory" not in told:
        told += f" (killed{MAYBE_MEMORY})"
    began = started is not None or code is not None
    if stop_code == "TaskFailedToStart" or (stop_code in LOST and not began):
        began = False
    fault, remedy = (None, _remedy(told)) if began or stop_code == "UserInitiated" else _never_began(told, stop_code)
    return Observation(
        "ended",
        arn,
        exit_code=None if stop_code in LOST or not began else code,
        reason=told,
        started_at=started or (_at(task.get("createdAt")) if began else None),
        ended_at=_at(task.get("stoppedAt")) or _at(task.get("executionStoppedAt")) or datetime.now(UTC),
        fault=fault,
        remedy=remedy,
    )


def _container(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one that the run is in: it was given a command."""
    overrides = (task.get("overrides") or {}).get("containerOverrides") or []
    name = next((each.get("name") for each in overrides if each.get("command")), None)
    containers = task.get("containers") or []
    return next((each for each in containers if each.get("name") == name), containers[0] if containers else {})


def _reason(task: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    """Amazon's own words, of the task and of its container."""
    words = [str(task.get("stoppedReason") or ""), str(mine.get("reason") or "")]
    others = [str(each.get("reason") or "") for each in task.get("containers") or [] if each is not mine]
    told = [each for each in dict.fromkeys([*words, *others]) if each]
    code = task.get("stopCode")
    return ": ".join(told) if told else str(code or "It stopped for no reason that ECS gives")


def _never_began(told: str, stop_code: str) -> tuple[Fault | None, str | None]:
    for words, fault, remedy in NEVER_BEGAN:
        if re.search(words, told, re.IGNORECASE | re.DOTALL):
            return fault, remedy
    return ("capacity", _remedy(told)) if stop_code in LOST else (None, _remedy(told))


def _remedy(told: str) -> str | None:
    return next((remedy for words, remedy in REMEDIES if re.search(words, told, re.IGNORECASE)), None)


def _at(value: Any) -> datetime | None:
    """The SDK's datetimes, and the texts of events."""
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00")) if value else None
    except ValueError:
        return None
