"""What the real Cloud Run checks of a job beyond its schema, by cloud.google.com/run/docs and the notes in `run_v2`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.clouds.google_errors import ApiError
from tests.clouds.google_execution import UNITS, bytes_of, seconds_of

JOB_ID = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
MEMORY = re.compile(rf"\d+({'|'.join(unit for unit in UNITS if unit)})?")
LONGEST_VALUE = 32768
LONGEST_TIMEOUT = 168 * 3600
RESERVED = re.compile(r"CLOUD_RUN_.*|K_.*|PORT|X_GOOGLE_.*")


def refuse(message: str) -> ApiError:
    return ApiError(400, "INVALID_ARGUMENT", message)


def check_job(job_id: str, body: Mapping[str, Any]) -> None:
    """Raises `ApiError` (400)."""
    if not JOB_ID.fullmatch(job_id):
        raise refuse(f"job.name: only lowercase letters, digits and hyphens, fewer than 64 of them: {job_id}")
    tokens = [body[name] for name in ("startExecutionToken", "runExecutionToken") if name in body]
    if len(tokens) > 1 or any(len(job_id) + len(token) >= 63 for token in tokens):
        raise refuse("job.create_execution: one token; the job's name and it together must be shorter than 63")
    if tokens and body.get("launchStage", "GA") == "GA":
        raise refuse("job.create_execution: is not supported in the declared launch stage")
    outer = body.get("template", {})
    for labels in (body.get("labels", {}), outer.get("labels", {})):
        check_labels(labels)
    template = outer.get("template", {})
    if len(template.get("containers", [])) != 1 or not template["containers"][0].get("image"):
        raise refuse("template.template.containers: a job needs one container with an image")
    if template.get("maxRetries", 0) > 10:
        raise refuse("template.template.max_retries: must be at most 10")
    if not 0 < seconds_of(template.get("timeout", "600s")) <= LONGEST_TIMEOUT:
        raise refuse("template.template.timeout: must be between 1 second and 168 hours")
    check_resources(template["containers"][0].get("resources", {}).get("limits", {}))
    check_variables(template["containers"][0].get("env", []))


def check_labels(labels: Mapping[str, str]) -> None:
    if len(labels) > 64:
        raise refuse("labels: at most 64")
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
            raise refuse(f"labels: key {key!r} or its value has characters that are not allowed")


def check_resources(limits: Mapping[str, str]) -> None:
    unknown = set(limits) - {"cpu", "memory", "nvidia.com/gpu"}
    if unknown:
        raise refuse(f"resources.limits: only memory, cpu and nvidia.com/gpu are supported, not {unknown.pop()}")
    if not MEMORY.fullmatch(limits.get("memory", "512Mi")):
        raise refuse("resources.limits.memory: Invalid value specified for memory")
    if not re.fullmatch(r"([1248]|[1-8]000m)", limits.get("cpu", "1")):
        raise refuse("resources.limits.cpu: Invalid value specified for cpu")
    cpu = int(limits.get("cpu", "1").removesuffix("000m"))
    if cpu >= 4 and bytes_of(limits.get("memory", "512Mi")) < 2 * UNITS["Gi"]:
        raise refuse("resources.limits.memory: For 4 CPU, memory must be at least 2Gi")


def check_variables(variables: Sequence[Mapping[str, Any]]) -> None:
    names = [each.get("name", "") for each in variables]
    if len(set(names)) != len(names):
        raise refuse("env: the same name twice")
    for each in variables:
        if not each.get("name") or "=" in each["name"] or RESERVED.fullmatch(each["name"]):
            raise refuse(f"env: the name {each.get('name')!r} is empty, malformed or reserved")
        if len(each.get("value", "").encode()) > LONGEST_VALUE:
            raise refuse(f"env: the value of {each['name']} is longer than 32768 bytes")
        if "value" in each and "valueSource" in each:
            raise refuse(f"env: {each['name']} has a value and a source")
