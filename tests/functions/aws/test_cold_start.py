"""What a cold start brings along: neither a web server nor an SDK before an event needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest

from tests.clouds.http_cloud import Request
from tests.clouds.lambda_events import http_event
from tests.functions.aws.world import TICK

HEAVY = (
    "fastapi",
    "starlette",
    "uvicorn",
    "mangum",
    "alembic",
    "httpx",
    "click",
    "rich",
    "boto3",
    "botocore.session",
    "botocore.client",
    "google.auth",
    "google.cloud.run_v2",
    "azure.mgmt",
    "modal",
    "docker",
)
SCRIPT = """
import importlib, json, sys

def heavy():
    return sorted(set(json.loads(sys.argv[1])) & set(sys.modules))

class Context:
    aws_request_id = function_name = memory_limit_in_mb = invoked_function_arn = "1"

    def get_remaining_time_in_millis(self):
        return 60000

module = importlib.import_module(sys.argv[2])
imported = heavy()
module.handler(json.loads(sys.argv[3]), Context())
print(json.dumps([imported, heavy()]))
"""
NOBODYS = {**TICK, "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {"startedBy": "a person"}}
NO_POOLS = {
    "Records": [
        {
            "messageId": "1",
            "receiptHandle": "1",
            "eventSource": "aws:sqs",
            "body": json.dumps({"verb": "dispatch", "pool_id": str(UUID(int=1)), "at": "2020-01-01T00:00:00+00:00"}),
        }
    ]
}
NO_WEBHOOK = http_event(Request("POST", f"/hooks/{UUID(int=1)}", {}, {}, b"{}"))
EVENTS = {"schedule": TICK, "dispatch": NO_POOLS, "observe": NOBODYS, "trigger": NO_WEBHOOK}


@pytest.mark.parametrize(("verb", "event"), EVENTS.items())
def test_neither_an_import_nor_an_event_with_nothing_to_do_brings_anything_heavy(
    verb: str, event: dict[str, Any], postgres_url: str
) -> None:
    plain = {
        "SKYLIFT_DATABASE_URL": postgres_url,
        "SKYLIFT_SECRET_KEY": "x" * 43 + "=",
        "SKYLIFT_API_URL": "http://api",
    }
    queues = {f"SKYLIFT_QUEUE_{name}": "http://127.0.0.1:1/queue" for name in ("DISPATCH", "OBSERVE", "SCHEDULE")}
    words = [sys.executable, "-c", SCRIPT, json.dumps(HEAVY), f"skylift_functions.aws.{verb}", json.dumps(event)]
    done = subprocess.run(words, env={**os.environ, **plain, **queues}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[], []]
