"""Pure: the task definition that a job configuration needs. Nothing of a single run is in it, so that one definition
serves all the runs that are alike: it is registered once per content, and found again by its hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from skylift.provider import Rejected
from skylift_ecs.request import INSTALLATION, Configuration

HASH = "skylift:definition"
"""The tag that holds a definition's hash."""
PREFIX = "skylift-"
"""What the families of our own naming begin with."""
IMAGE, CONTAINER = "prefecthq/prefect:3-latest", "run"
PREFECTS_CONTAINER = "prefect"
"""The container's name in the definitions of Prefect's workers."""
CPU, MEMORY = 1024, 2048
GROUP, STREAM = "skylift", "skylift"
STOP_TIMEOUT = 30
REFERENCE = r"arn:[\w-]+:(secretsmanager:[\w-]+:\d{12}:secret:|ssm:[\w-]+:\d{12}:parameter/).+|/?[\w.-]+(/[\w.-]+)*"
"""An ARN of Secrets Manager (with `:key:stage:version` after it, perhaps) or of Parameter Store, or a parameter's
name."""


def _range(first: int, last: int, step: int) -> frozenset[int]:
    return frozenset(range(first, last + 1, step))


SIZES: dict[int, frozenset[int]] = {
    256: frozenset([512, 1024, 2048]),
    512: _range(1024, 4096, 1024),
    1024: _range(2048, 8192, 1024),
    2048: _range(4096, 16384, 1024),
    4096: _range(8192, 30720, 1024),
    8192: _range(16384, 61440, 4096),
    16384: _range(32768, 122880, 8192),
}
"""MiB of memory by CPU units that Fargate has (ECS developer guide, "Task definition differences for Fargate")."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a launch must know of a definition."""

    container: str
    network_mode: str | None
    logs: LogPlace | None


@dataclass(frozen=True, slots=True)
class Definition:
    """What is to be registered, unless it is there."""

    family: str
    hash: str
    request: Mapping[str, Any]
    """RegisterTaskDefinition's, tags included."""
    target: Target


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where a container's lines go: `stream` is what the name of each task's stream begins with."""

    group: str
    stream: str


def build(configuration: Configuration, region: str, owner: str) -> Definition:
    """`owner`: the installation that it is registered, and one day deregistered, by."""
    made = _without_empty(deepcopy(configuration.task_definition))
    main = _main(made, configuration)
    _size(made, main, configuration)
    _secrets(main, configuration, made)
    place = _logs(main, configuration, made, region)
    main.setdefault("stopTimeout", configuration.stop_timeout or STOP_TIMEOUT)
    if "cpuArchitecture" in made.get("runtimePlatform", {}):
        made["runtimePlatform"].setdefault("operatingSystemFamily", "LINUX")
    family = re.sub(r"[^\w-]", "-", str(made.pop("family", "")), flags=re.ASCII)[:255]
    text = json.dumps([owner, family, made], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    tags = {**{each["key"]: each["value"] for each in made.pop("tags", [])}, HASH: digest, INSTALLATION: owner}
    request = {
        **made,
        "family": family or PREFIX + digest[:32],
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    return Definition(request["family"], digest, request, Target(main["name"], made.get("networkMode"), place))


def _without_empty(node: Any) -> Any:
    """What placeholders without a value leave behind is taken out."""
    if isinstance(node, dict):
        kept = {key: _without_empty(child) for key, child in node.items()}
        return {key: child for key, child in kept.items() if child not in (None, {}, [], "")}
    if isinstance(node, list):
        return [each for each in (_without_empty(child) for child in node) if each not in (None, {})]
    return node


def _main(made: dict[str, Any], configuration: Configuration) -> dict[str, Any]:
    """The container that the run is in, completed."""
    containers = made.setdefault("containerDefinitions", [{}])
    wanted = configuration.container_name
    main: dict[str, Any] = next((each for each in containers if wanted and each.get("name") == wanted), containers[0])
    main.setdefault("name", wanted or CONTAINER)
    main.setdefault("image", configuration.image or IMAGE)
    main.setdefault("essential", True)
    if isinstance(main.get("environment"), Mapping):
        del main["environment"]  # Prefect's place for what the core hands out
    return main


def _size(made: dict[str, Any], main: dict[str, Any], configuration: Configuration) -> None:
    cpu, memory = _number(made, "cpu"), _number(made, "memory")
    if configuration.on_fargate:
        made["cpu"], made["memory"] = _fargate_size(cpu or CPU, memory or MEMORY)
        made.setdefault("networkMode", "awsvpc")
        made.setdefault("requiresCompatibilities", ["FARGATE"])
        if configuration.gpu:
            raise Rejected("Fargate has no GPUs", remedy="Set 'launch_type' to EC2, or leave 'gpu' out")
        return
    for field, value, usual in (("cpu", cpu, CPU), ("memory", memory, MEMORY)):
        made.pop(field, None)
        main.setdefault(field, value or usual)
    if configuration.given_network or configuration.vpc_id:
        made.setdefault("networkMode", "awsvpc")
    kind = configuration.launch_type if configuration.launch_type == "EXTERNAL" else "EC2"
    made.setdefault("requiresCompatibilities", [kind])
    if configuration.gpu:
        asked = {"type": "GPU", "value": str(configuration.gpu)}
        main["resourceRequirements"] = [*main.get("resourceRequirements", []), asked]


def _number(made: Mapping[str, Any], field: str) -> int | None:
    try:
        return int(made[field]) if field in made else None
    except (TypeError, ValueError):
        raise Rejected(
            f"{field!r} in 'task_definition' is not a number", remedy=f"Set {field!r} in units of CPU or MiB"
        ) from None


def _fargate_size(cpu: int, memory: int) -> tuple[str, str]:
    if memory not in SIZES.get(cpu, frozenset()):
        fitting = SIZES.get(cpu)
        told = f"from {min(fitting)} to {max(fitting)} MiB" if fitting else "none, as there is no such CPU size"
        raise Rejected(
            f"Fargate has no size with 'cpu' {cpu} and 'memory' {memory}",
            remedy=f"Memory that goes with that: {told}; CPU sizes: {', '.join(map(str, SIZES))}",
        )
    return str(cpu), str(memory)


def _secrets(main: dict[str, Any], configuration: Configuration, made: Mapping[str, Any]) -> None:
    """References are merged by name: what the user's definition has beside ours stays."""
    wanted = configuration.wanted_secrets
    for name, reference in wanted.items():
        if not re.fullmatch(REFERENCE, reference):
            raise Rejected(
                f"The reference of the secret {name!r} is none to Secrets Manager or Parameter Store",
                remedy="Give the secret's or the parameter's full ARN",
            )
    if not wanted:
        return
    if "executionRoleArn" not in made:
        raise Rejected(
            "Secrets by reference need an execution role that may read them",
            remedy="Set 'execution_role_arn' to a role with secretsmanager:GetSecretValue (ssm:GetParameters)",
        )
    kept = [each for each in main.get("secrets", []) if each.get("name") not in wanted]
    main["secrets"] = kept + [{"name": name, "valueFrom": wanted[name]} for name in sorted(wanted)]


def wants_logs(configuration: Configuration, role: Any) -> bool:
    """Whether lines go to CloudWatch: as the variable says, or else wherever there is a role to write them with."""
    asked = configuration.configure_cloudwatch_logs
    return bool(role) if asked is None else asked


def _logs(main: dict[str, Any], configuration: Configuration, made: Mapping[str, Any], region: str) -> LogPlace | None:
    role = made.get("executionRoleArn")
    if "logConfiguration" in main or not wants_logs(configuration, role):
        return log_place(main)
    if not role and configuration.on_fargate:
        raise Rejected(
            "Logs in CloudWatch need an execution role that may write them",
            remedy="Set 'execution_role_arn' (AmazonECSTaskExecutionRolePolicy is enough), or switch "
            "'configure_cloudwatch_logs' off",
        )
    options = {
        "awslogs-group": log_group(configuration),
        "awslogs-region": region,
        "awslogs-stream-prefix": configuration.cloudwatch_logs_prefix or STREAM,
        **configuration.cloudwatch_logs_options,
    }
    main["logConfiguration"] = {"logDriver": "awslogs", "options": options}
    return log_place(main)


def log_group(configuration: Configuration) -> str:
    """Where its lines go, if they go to CloudWatch."""
    return str(configuration.cloudwatch_logs_options.get("awslogs-group", GROUP))


def log_place(container: Mapping[str, Any]) -> LogPlace | None:
    """Where the lines of a definition's container go; None: not to CloudWatch."""
    logs = container.get("logConfiguration") or {}
    options = logs.get("options") or {}
    if logs.get("logDriver") != "awslogs" or "awslogs-stream-prefix" not in options:
        return None
    return LogPlace(options["awslogs-group"], f"{options['awslogs-stream-prefix']}/{container['name']}")


def own_target(definition: Mapping[str, Any], configuration: Configuration) -> Target:
    """For a definition that the user has made. Raises `Rejected` where it does not fit the job variables."""
    container = main_container(definition, configuration)
    check_own(container, configuration)
    return Target(container["name"], definition.get("networkMode"), log_place(container))


def main_container(definition: Mapping[str, Any], configuration: Configuration) -> dict[str, Any]:
    """Of a definition that the user has made: the container that is named, or called as Prefect's workers call it, or
    the first. Raises `Rejected` where the named one is not there."""
    containers: list[dict[str, Any]] = list(definition["containerDefinitions"])
    names = [configuration.container_name] if configuration.container_name else [PREFECTS_CONTAINER, CONTAINER]
    for each in containers:
        if each["name"] in names:
            return each
    if configuration.container_name:
        raise Rejected(
            "The task definition has no container of the name that 'container_name' gives",
            remedy=f"Use one of: {', '.join(each['name'] for each in containers)}",
        )
    return containers[0]


def check_own(container: Mapping[str, Any], configuration: Configuration) -> None:
    """Raises `Rejected` where the user's definition lacks a secret that the job variables name: overrides cannot add
    one."""
    there = {each["name"] for each in container.get("secrets") or []}
    missing = sorted(set(configuration.wanted_secrets) - there)
    if missing:
        raise Rejected(
            f"The task definition does not give its container {', '.join(missing)}",
            remedy="Add them to the definition's 'secrets', or leave 'task_definition_arn' out",
        )
