"""What the real Google tells of an execution's end: an audit log entry of the kind system_event, pushed by Pub/Sub."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

from tests.clouds.google_execution import Execution, time_of


def audit_entry(execution: Execution) -> dict[str, Any]:
    """The LogEntry. Its `response` is the execution in the v1 API's form."""
    parts = execution.name.split("/")
    at = time_of(execution.ended_at or execution.created_at)
    status = {} if execution.succeeded else {"code": 10, "message": execution.failure}
    message = f"Execution {execution.short_name} has completed successfully."
    container = execution.template["containers"][0]
    completed = {"type": "Completed", "status": "True" if execution.succeeded else "False"}
    if not execution.succeeded:
        completed |= {"reason": "Cancelled" if execution.cancelling else "NonZeroExitCode"}
    return {
        "insertId": uuid.uuid4().hex[:12],
        "logName": f"projects/{parts[1]}/logs/cloudaudit.googleapis.com%2Fsystem_event",
        "resource": {
            "type": "cloud_run_job",
            "labels": {"project_id": parts[1], "location": parts[3], "job_name": parts[5]},
        },
        "labels": {"run.googleapis.com/execution_name": execution.short_name},
        "timestamp": at,
        "receiveTimestamp": at,
        "severity": "INFO" if execution.succeeded else "ERROR",
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "run.googleapis.com",
            "methodName": "/Jobs.RunJob",
            "resourceName": f"namespaces/{parts[1]}/executions/{execution.short_name}",
            "status": status or {"message": message},
            "response": {
                "@type": "type.googleapis.com/google.cloud.run.v1.Execution",
                "metadata": {
                    "name": execution.short_name,
                    "namespace": parts[1],
                    "labels": {"run.googleapis.com/job": parts[5], "cloud.googleapis.com/location": parts[3]},
                },
                "spec": {"template": {"spec": {"containers": [container]}}, "taskCount": execution.task_count},
                "status": {
                    "conditions": [completed],
                    "completionTime": at,
                    "startTime": time_of(execution.started_at) if execution.started_at else at,
                    "succeededCount": sum(task.succeeded for task in execution.tasks),
                },
            },
        },
    }


def pushed(entry: dict[str, Any]) -> dict[str, Any]:
    """As a Pub/Sub push subscription posts it."""
    project = entry["resource"]["labels"]["project_id"]
    return {
        "message": {
            "attributes": {"logging.googleapis.com/timestamp": entry["timestamp"]},
            "data": base64.b64encode(json.dumps(entry).encode()).decode(),
            "messageId": str(uuid.uuid4().int)[:16],
            "publishTime": entry["timestamp"],
        },
        "subscription": f"projects/{project}/subscriptions/skylift-observe",
    }
