"""Pure: a rendered job configuration in, Cloud Run's requests out, in the JSON form of its v2 API.

Two kinds of jobs. Under the runner all runs of one configuration share a job, named by the hash of its content, and
each run is an execution of it whose variables say which attempt it is. A bare command has a job of its own, named by
its attempt, which is created together with its one execution: that is the only thing that Cloud Run does once.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

from skylift.confidential import NONCE, POOL_SECRET, holds_secret, refuse_secrets, split_env
from skylift.provider import Launch, Rejected
from skylift_cloud_run.configuration import Configuration, SecretReference
from skylift_cloud_run.labels import to_labels

INSTALLATION, ATTEMPT, FLOW_RUN = "skylift-installation", "skylift-attempt", "skylift-flow-run"
ROLE, KEEP, SECRET = "skylift-role", "skylift-keep", "skylift-secret"
RUN, SHARED = "run", "shared"
"""What a job of ours is for, as its label `skylift-role` says."""
TOKEN = "run"  # noqa: S105 - the end of an execution's name
ATTEMPT_VARIABLE, INSTALLATION_VARIABLE = "SKYLIFT_ATTEMPT", "SKYLIFT_INSTALLATION"
PER_RUN_LABELS = re.compile(r"prefect\.io/(flow-run-|flow-name|deployment-)")
"""Labels by which runs of one configuration would differ: they would make a job for each."""
LONGEST_VALUE = 32768


def is_under_runner(env: Mapping[str, str]) -> bool:
    """Only the runner gets a nonce."""
    return NONCE in env


def own_job_id(configuration: Configuration, attempt_id: UUID) -> str:
    """The job of a bare command. With its token it stays below the 63 characters that Google allows both together."""
    slug = re.sub(r"[^a-z0-9]+", "-", (configuration.name or "").lower()).strip("-0123456789")[:24].strip("-")
    return f"{slug or 'skylift'}-{attempt_id.hex}"


def own_job(
    configuration: Configuration, launch: Launch, secret: str | None = None, versions: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The job of a bare command. `versions`: of `secret`, by the variables that hold secret values."""
    plain, hidden = split_env(configuration.env, launch.secrets)
    body = _body(configuration)
    ours = {
        INSTALLATION: str(launch.installation_id),
        ATTEMPT: str(launch.attempt_id),
        FLOW_RUN: str(launch.flow_run_id),
        ROLE: RUN,
    }
    ours |= {KEEP: "true"} if configuration.keep_job else {}
    ours |= {SECRET: "true"} if hidden else {}
    body["labels"] = to_labels({**body.get("labels", {}), **configuration.labels}, ours)
    container = _container(body)
    container["command"], container["args"] = configuration.command[:1], configuration.command[1:] + _args(container)
    _set_variables(container, plain)
    _set_references(
        container, {name: SecretReference(secret=secret or "", version=(versions or {})[name]) for name in hidden}
    )
    _task(body)["timeout"] = _seconds(configuration.time_limit(body))
    refuse_shown(body, launch.secrets)
    if body.get("launchStage", "GA") == "GA":
        body["launchStage"] = "BETA"  # jobs that begin an execution of their own are not GA yet
    return body | {"startExecutionToken": TOKEN}


def shared_job(configuration: Configuration) -> dict[str, Any]:
    """The job that all runs of this configuration share: nothing of any one run is in it."""
    body = _body(configuration)
    if body["template"].get("taskCount", 1) != 1:
        raise Rejected(
            "'job_body' asks for several tasks, and the runner lets one of them run",
            remedy="Remove 'taskCount', or switch 'runner' off",
        )
    container = _container(body)
    if _args(container):
        raise Rejected(
            "'args' says more than 'command'", remedy="Put everything into 'command', or switch 'runner' off"
        )
    kept = {name: value for name, value in configuration.labels.items() if not PER_RUN_LABELS.match(name)}
    ours = {ROLE: SHARED} | ({KEEP: "true"} if configuration.keep_job else {})
    body["labels"] = to_labels({**body.get("labels", {}), **kept}, ours)
    container["command"], container["args"] = configuration.command[:1], configuration.command[1:]
    if configuration.pool_secret:
        _set_references(container, {POOL_SECRET: SecretReference.parse(configuration.pool_secret)})
    return body


def shared_job_id(body: Mapping[str, Any]) -> str:
    """By the hash of its content."""
    content = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return f"skylift-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def marked(body: Mapping[str, Any], installation_id: UUID) -> dict[str, Any]:
    """A shared job with the mark of the installation that makes it; not part of its content, by which it is named."""
    return {**body, "labels": {**body["labels"], INSTALLATION: str(installation_id)}}


def overrides(configuration: Configuration, launch: Launch, body: Mapping[str, Any]) -> dict[str, Any]:
    """What one execution of a shared job has of its own."""
    env = configuration.env | {
        INSTALLATION_VARIABLE: str(launch.installation_id),
        ATTEMPT_VARIABLE: str(launch.attempt_id),
        "SKYLIFT_FLOW_RUN_ID": str(launch.flow_run_id),
    }
    refuse_secrets("env", env.values(), launch.secrets)
    variables = [{"name": name, "value": value} for name, value in env.items()]
    return {"containerOverrides": [{"env": variables}], "timeout": _seconds(configuration.time_limit(body))}


def refuse_shown(body: Mapping[str, Any], secrets: Collection[str]) -> None:
    """Raises `Rejected` where a secret value stands in a field that Google shows, naming the field."""
    for field, text in _texts("", body):
        if holds_secret(text, secrets):
            refuse_secrets(_as_variable(field), [text], secrets)


def secret_values(configuration: Configuration, secrets: Collection[str]) -> dict[str, str]:
    """The variables of a bare command that hold a secret value."""
    return split_env(configuration.env, secrets)[1]


def is_pinned(body: Mapping[str, Any]) -> bool:
    """Whether its image is named by its digest, and so always the same one."""
    return "@sha256:" in str(_container(body)["image"])


def service_account(body: Mapping[str, Any]) -> str | None:
    found: str | None = body["template"]["template"].get("serviceAccount")
    return found


# -- inside -----------------------------------------------------------------------------------------------------------


def _body(configuration: Configuration) -> dict[str, Any]:
    """`job_body` with what every job needs. Raises `Rejected` for what cannot be a job of the v2 API."""
    body: dict[str, Any] = _pruned(configuration.job_body) or {}
    if "spec" in body or "apiVersion" in body:
        raise Rejected(
            "'job_body' has the form of Cloud Run's v1 API",
            remedy="Take 'job_body' from the default base job template: Skylift uses the v2 API for both pool types",
        )
    body.setdefault("template", {}).setdefault("template", {})
    body["template"].setdefault("taskCount", 1)
    task = _task(body)
    task.setdefault("maxRetries", 0)
    containers = task.setdefault("containers", [{}])
    if isinstance(containers, list) and containers and configuration.image:
        containers[0].setdefault("image", configuration.image)
    if not isinstance(containers, list) or len(containers) != 1 or not containers[0].get("image"):
        raise Rejected("The job has no image, or not one container", remedy="Set the job variable 'image'")
    container = containers[0]
    limits = container.get("resources", {}).get("limits", {})
    container.setdefault("resources", {})["limits"] = {name: str(value) for name, value in limits.items()}
    container["env"] = [each for each in container.get("env", []) if isinstance(each, dict)]
    _set_references(container, configuration.references)
    if configuration.cloudsql_instances:
        instances = {"instances": configuration.cloudsql_instances}
        _mount(task, {"name": "cloudsql", "cloudSqlInstance": instances}, "/cloudsql")
    if configuration.ephemeral_storage:
        scratch = {"medium": "MEMORY", "sizeLimit": configuration.ephemeral_storage}
        _mount(task, {"name": "scratch", "emptyDir": scratch}, "/scratch")
    task["timeout"] = _seconds(configuration.longest(body))
    return body


def _mount(task: dict[str, Any], volume: dict[str, Any], path: str) -> None:
    task["volumes"] = [*task.get("volumes", []), volume]
    container = task["containers"][0]
    container["volumeMounts"] = [*container.get("volumeMounts", []), {"name": volume["name"], "mountPath": path}]


def _task(body: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["template"]["template"]
    return found


def _container(body: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _task(body)["containers"][0]
    return found


def _args(container: Mapping[str, Any]) -> list[str]:
    return [str(each) for each in container.get("args", [])]


def _set_variables(container: dict[str, Any], env: Mapping[str, str]) -> None:
    too_long = next((name for name, value in env.items() if len(value.encode()) > LONGEST_VALUE), None)
    if too_long:
        raise Rejected(
            f"The value of the variable {too_long!r} in 'env' is longer than the 32,768 bytes that Cloud Run allows",
            remedy="Pass large values in a file or a bucket",
        )
    _replace(container, [{"name": name, "value": value} for name, value in env.items()])


def _set_references(container: dict[str, Any], references: Mapping[str, SecretReference]) -> None:
    _replace(
        container,
        [
            {"name": name, "valueSource": {"secretKeyRef": {"secret": each.secret, "version": each.version}}}
            for name, each in references.items()
        ],
    )


def _replace(container: dict[str, Any], variables: list[dict[str, Any]]) -> None:
    """Add variables, in the place of those of the same names."""
    names = {each["name"] for each in variables}
    container["env"] = [each for each in container.get("env", []) if each.get("name") not in names] + variables


def _seconds(value: float) -> str:
    return f"{math.ceil(value)}s"


def _pruned(value: Any) -> Any:
    """Without what placeholders of unset variables have left: null, empty text, lists and objects."""
    if isinstance(value, Mapping):
        inner = {name: _pruned(each) for name, each in value.items()}
        return {name: each for name, each in inner.items() if each is not None} or None
    if isinstance(value, list):
        return [each for each in map(_pruned, value) if each is not None] or None
    return None if value == "" else value


def _texts(field: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(f"{field}.{name}".strip("."), each)
            yield f"{field}.{name}".strip("."), str(name)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(field, each)
    elif isinstance(value, str):
        yield field, value


def _as_variable(field: str) -> str:
    """The job variable that fills a field of the job."""
    last = field.rpartition(".")[2]
    if field.startswith("labels"):
        return "labels"
    return "command" if last in ("command", "args") else f"job_body.{field}"
