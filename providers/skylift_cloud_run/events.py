"""What Google tells by itself: the audit log's system_event at an execution's end, by way of Pub/Sub or Eventarc.

A log sink with the filter in `SINK_FILTER` sends them. They come at least once, and in any order.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from skylift.provider import Heard, Observation
from skylift_cloud_run.request import ATTEMPT_VARIABLE
from skylift_cloud_run.views import Place

SINK_FILTER = (
    'log_id("cloudaudit.googleapis.com/system_event") AND resource.type="cloud_run_job" '
    'AND protoPayload.methodName="/Jobs.RunJob"'
)
"""For the log sink that a provisioner makes."""


def read_event(event: Mapping[str, Any]) -> Sequence[Heard]:
    """A Pub/Sub push, a CloudEvent or the log entry itself; empty for what is none of these."""
    entry = _entry(event)
    payload = _mapping(entry.get("protoPayload"))
    if payload.get("serviceName") != "run.googleapis.com" or payload.get("methodName") != "/Jobs.RunJob":
        return []
    labels, response = _mapping(_mapping(entry.get("resource")).get("labels")), _mapping(payload.get("response"))
    attempt_id = _attempt(response)
    project, region, job = (labels.get(name) for name in ("project_id", "location", "job_name"))
    execution = str(payload.get("resourceName", "")).rpartition("/executions/")[2]
    if not attempt_id or not (project and region and job and execution):
        return []
    handle = f"{Place(str(project), str(region)).job(str(job))}/executions/{execution}"
    return [Heard(attempt_id, _observed(handle, response, _mapping(payload.get("status"))))]


def _entry(event: Mapping[str, Any]) -> Mapping[str, Any]:
    message = event.get("message")
    if isinstance(message, Mapping) and isinstance(message.get("data"), str):
        try:
            return _mapping(json.loads(base64.b64decode(message["data"])))
        except (binascii.Error, ValueError):
            return {}
    if "protoPayload" in event:
        return event
    data = event.get("data")
    return _entry(data) if isinstance(data, Mapping) else {}


def _attempt(response: Mapping[str, Any]) -> UUID | None:
    """By the variables of the execution, which is shown in the form of the v1 API."""
    spec = _mapping(_mapping(_mapping(response.get("spec")).get("template")).get("spec"))
    containers = spec.get("containers")
    for container in containers if isinstance(containers, list) else []:
        variables = _mapping(container).get("env")
        for each in variables if isinstance(variables, list) else []:
            if _mapping(each).get("name") == ATTEMPT_VARIABLE:
                try:
                    return UUID(str(_mapping(each).get("value")))
                except ValueError:
                    return None
    return None


def _observed(handle: str, response: Mapping[str, Any], status: Mapping[str, Any]) -> Observation:
    """Its exit code is not in there: whoever wants it asks."""
    told = _mapping(response.get("status"))
    conditions = told.get("conditions")
    completed: Mapping[str, Any] = next(
        (
            each
            for each in map(_mapping, conditions if isinstance(conditions, list) else [])
            if each.get("type") == "Completed"
        ),
        {},
    )
    succeeded = completed.get("status") == "True"
    reason = None if succeeded else str(status.get("message") or completed.get("message") or "") or None
    began, ended = _time(told.get("startTime")), _time(told.get("completionTime"))
    return Observation("ended", handle, 0 if succeeded else None, reason, began, ended)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
