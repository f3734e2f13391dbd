"""Pure: a rendered job configuration in, RunTask's request out. The task definition's part is in `definition.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from skylift.confidential import refuse_secrets
from skylift.job_configuration import parsed
from skylift.provider import Launch, Rejected
from skylift_ecs.credentials import Credentials

STARTED_BY = "skylift/"
"""What `startedBy` begins with; the attempt's id follows. It is the only mark that events and lists show."""
ATTEMPT, INSTALLATION, RUN = "skylift:attempt", "skylift:installation", "skylift:flow-run"
MOST_OVERRIDES = 8192
"""Characters of `overrides`, JSON's own included (API reference, RunTask)."""
MOST_TAGS, LONGEST_KEY, LONGEST_VALUE = 50, 128, 256
MOST_SUBNETS = 16
FARGATE = ("FARGATE", "FARGATE_SPOT")
REFERENCES = frozenset(
    "image name family cluster taskDefinition valueFrom value_from credentialsParameter subnets securityGroups "
    "executionRoleArn taskRoleArn networkMode platformVersion awslogs-region awslogs-group capacityProvider".split()
)
"""Fields that name a thing of the cloud: such a name is no secret, though a block may hold it."""


class Configuration(BaseModel):
    """What is left of the base job template once it is rendered."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str | None = None
    command: list[str] = Field(min_length=1)
    env: dict[str, str] = {}
    labels: dict[str, str] = {}
    runner: bool = True
    python: str | None = None
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    image: str | None = None
    aws_credentials: Credentials | None = None
    cluster: str | None = None
    vpc_id: str | None = None
    subnets: list[str] | None = Field(default=None, max_length=MOST_SUBNETS)
    security_groups: list[str] | None = Field(default=None, max_length=5)
    assign_public_ip: bool = True
    network_configuration: dict[str, Any] = {}
    configure_cloudwatch_logs: bool | None = None
    cloudwatch_logs_options: dict[str, str] = {}
    cloudwatch_logs_prefix: str | None = None
    container_name: str | None = None
    gpu: int | None = Field(default=None, ge=1)
    stop_timeout: int | None = Field(default=None, ge=2, le=120)
    secrets: dict[str, str] = {}
    pool_secret: str | None = None
    prefect_api_key_secret_arn: str | None = None
    prefect_api_auth_string_secret_arn: str | None = None
    secrets_bucket: str | None = None
    auto_deregister_task_definition: bool | None = None
    match_latest_revision_in_family: bool | None = None
    task_definition: dict[str, Any] = {}
    task_run_request: dict[str, Any] = {}

    @property
    def credentials(self) -> Credentials:
        return self.aws_credentials or Credentials()

    @property
    def place(self) -> str:
        """The cluster's name or ARN."""
        return self.cluster or self.task_run_request.get("cluster") or "default"

    @property
    def own_definition(self) -> str | None:
        """The task definition that the user has made, by ARN or family."""
        return self.task_run_request.get("taskDefinition")

    @property
    def launch_type(self) -> str:
        """FARGATE, FARGATE_SPOT, EC2, EXTERNAL, or MANAGED for capacity providers over machines of one's own."""
        providers = {each.get("capacityProvider") for each in self.strategy}
        if providers:
            return "FARGATE" if providers == {"FARGATE"} else "FARGATE_SPOT" if providers <= {*FARGATE} else "MANAGED"
        return str(self.task_run_request.get("launchType") or "FARGATE")

    @property
    def on_fargate(self) -> bool:
        return self.launch_type in FARGATE

    @property
    def strategy(self) -> list[dict[str, Any]]:
        return self.task_run_request.get("capacityProviderStrategy") or []

    @property
    def wanted_secrets(self) -> dict[str, str]:
        """Environment variables that the container gets by the cloud's own reference, and what they refer to."""
        named = {
            "SKYLIFT_POOL_SECRET": self.pool_secret,
            "PREFECT_API_KEY": self.prefect_api_key_secret_arn,
            "PREFECT_API_AUTH_STRING": self.prefect_api_auth_string_secret_arn,
        }
        return {**self.secrets, **{name: arn for name, arn in named.items() if arn}}

    @property
    def given_network(self) -> dict[str, Any] | None:
        """`awsvpcConfiguration` as far as the job variables say where to run; None: in the VPC's own subnets."""
        given = self.network_configuration.get("awsvpcConfiguration", self.network_configuration)
        if given:
            return dict(given)
        return self.network(self.subnets) if self.subnets else None

    def network(self, subnets: Sequence[str]) -> dict[str, Any]:
        """`awsvpcConfiguration` in these subnets."""
        made: dict[str, Any] = {"subnets": sorted(subnets)[:MOST_SUBNETS]}
        if self.security_groups:
            made["securityGroups"] = self.security_groups
        if self.on_fargate:
            made["assignPublicIp"] = "ENABLED" if self.assign_public_ip else "DISABLED"
        return made


def read_configuration(values: Mapping[str, Any]) -> Configuration:
    """Raises `Rejected`, naming fields and never values."""
    return parsed(Configuration, values, "an ECS pool")


def reach(values: Mapping[str, Any]) -> Configuration:
    """The same for whoever only looks: what cannot be read any more (a template has changed) is left out."""
    try:
        return read_configuration({"command": ["-"], **values})
    except Rejected:
        kept = {name: values[name] for name in ("aws_credentials", "cluster", "secrets_bucket") if values.get(name)}
        request = values.get("task_run_request")
        place = {"cluster": request["cluster"]} if isinstance(request, Mapping) and request.get("cluster") else {}
        return read_configuration({"command": ["-"], "runner": False, "task_run_request": place, **kept})


def started_by(attempt_id: UUID) -> str:
    return f"{STARTED_BY}{attempt_id}"


def attempt_of(task: Mapping[str, Any]) -> UUID | None:
    """Whose this task is, where it is one of ours."""
    told = str(task.get("startedBy") or "")
    if not told.startswith(STARTED_BY):
        return None
    try:
        return UUID(told.removeprefix(STARTED_BY))
    except ValueError:
        return None


def run_task(
    configuration: Configuration,
    launch: Launch,
    definition: str,
    container: str,
    env: Mapping[str, str],
    network: Mapping[str, Any] | None,
    env_file: str | None = None,
) -> dict[str, Any]:
    """RunTask's request: the same for the same arguments, so that its token finds the task again."""
    given = dict(configuration.task_run_request)
    overrides = _overrides(given.pop("overrides", None) or {}, configuration, container, env, env_file)
    tags = {**_as_pairs(given.pop("tags", None)), **configuration.labels}
    request = {
        **{key: value for key, value in given.items() if value not in (None, {}, [])},
        "cluster": configuration.place,
        "taskDefinition": definition,
        "count": 1,
        "clientToken": str(launch.attempt_id),
        "startedBy": started_by(launch.attempt_id),
        "overrides": overrides,
        "tags": tags_of(tags, launch),
    }
    if network:
        request["networkConfiguration"] = {"awsvpcConfiguration": dict(network)}
    _place(request, configuration)
    return request


def _place(request: dict[str, Any], configuration: Configuration) -> None:
    """Either a launch type or a strategy: RunTask takes one of them."""
    asked = request.pop("launchType", None)
    if configuration.strategy:
        return
    if asked == "FARGATE_SPOT":
        request["capacityProviderStrategy"] = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    else:
        request["launchType"] = configuration.launch_type


def _overrides(
    given: Mapping[str, Any], configuration: Configuration, name: str, env: Mapping[str, str], env_file: str | None
) -> dict[str, Any]:
    others = [dict(each) for each in given.get("containerOverrides") or [] if each]
    mine: dict[str, Any] = next((each for each in others if each.get("name") in (None, name)), {})
    others = [each for each in others if each is not mine]
    own = {**_as_pairs(mine.get("environment"), "name"), **env}
    made = {
        **mine,
        "name": name,
        "command": configuration.command,
        "environment": [{"name": key, "value": own[key]} for key in sorted(own)],
    }
    if env_file:
        made["environmentFiles"] = [*made.get("environmentFiles", []), {"type": "s3", "value": env_file}]
    kept = {key: value for key, value in given.items() if value and key != "containerOverrides"}
    overrides = {**kept, "containerOverrides": [made, *others]}
    for field in ("cpu", "memory"):
        if field in overrides:
            overrides[field] = str(overrides[field])
    size = len(json.dumps(overrides, separators=(",", ":")))
    if size > MOST_OVERRIDES:
        raise Rejected(
            f"The command and its environment are {size} characters long as a task's overrides, and ECS takes "
            f"{MOST_OVERRIDES}",
            remedy="Use the runner ('runner'), which needs few of them, or pass large values in a file or a secret",
        )
    return overrides


def _as_pairs(given: Any, key: str = "key") -> dict[str, str]:
    """A list of {key or name, value} as a mapping. A mapping is what Prefect's own templates put there: what the
    core has handed out already, so nothing of it is kept."""
    if not isinstance(given, list):
        return {}
    return {str(each[key]): str(each.get("value", "")) for each in given if isinstance(each, Mapping) and key in each}


def tags_of(labels: Mapping[str, str], launch: Launch) -> list[dict[str, str]]:
    """Labels as tags by Amazon's rules, and ours; ours win, and stand first, because there may be 50 in all."""
    made = {
        INSTALLATION: str(launch.installation_id),
        ATTEMPT: str(launch.attempt_id),
        RUN: str(launch.flow_run_id),
    }
    for name, value in labels.items():
        key = re.sub(r"[^\w\s.:/=+\-@]", "-", name)[:LONGEST_KEY].strip()
        if key and not key.lower().startswith("aws:") and len(made) < MOST_TAGS:
            made.setdefault(key, re.sub(r"[^\w\s.:/=+\-@]", "-", value)[:LONGEST_VALUE])
    return [{"key": key, "value": value} for key, value in made.items()]


def check_secrets(configuration: Configuration, secrets: Collection[str]) -> None:
    """Raises `Rejected` where a secret value stands in what the account's users can read of a task."""
    refuse_secrets("command", configuration.command, secrets)
    refuse_secrets("labels", [*configuration.labels, *configuration.labels.values()], secrets)
    for field in ("task_definition", "task_run_request"):
        refuse_secrets(field, _texts(getattr(configuration, field)), secrets)
    refuse_secrets("cloudwatch_logs_options", configuration.cloudwatch_logs_options.values(), secrets)


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, child in node.items():
            # What the core has rendered into Prefect's places for command and environment is not sent from there.
            rendered = key in ("environment", "tags", "command") and not isinstance(child, list)
            if key not in REFERENCES and not rendered:
                yield from _texts(child)
    elif isinstance(node, list):
        for child in node:
            yield from _texts(child)
