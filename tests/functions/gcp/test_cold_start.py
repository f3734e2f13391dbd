"""What a cold start brings along: neither the API's framework nor an SDK before a request needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from uuid import UUID

import pytest

from tests.clouds.google_functions import SOURCE

HEAVY = (
    "fastapi",
    "starlette",
    "uvicorn",
    "mangum",
    "alembic",
    "httpx",
    "rich",
    "boto3",
    "botocore",
    "grpc",
    "google.auth",
    "google.cloud.tasks_v2",
    "google.cloud.run_v2",
    "requests",
    "azure.mgmt",
    "modal",
    "docker",
)
SCRIPT = """
import base64, json, sys, time
from functions_framework import create_app

def heavy():
    return sorted(set(json.loads(sys.argv[1])) & set(sys.modules))

claims = {"iss": "https://accounts.google.com", "aud": "http://127.0.0.1:1/", "email": "invoker",
          "email_verified": True, "exp": time.time() + 60}
token = ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in ({}, claims)) + ".removed"
app = create_app(sys.argv[2], sys.argv[3], "http").test_client()
imported = heavy()
answer = app.post("/", data=sys.argv[4], headers={"Authorization": f"Bearer {token}"})
print(json.dumps([imported, answer.status_code, heavy()]))
"""
NOBODYS = {"message": {"data": ""}, "subscription": "projects/acme/subscriptions/skylift-observe"}
NO_POOLS = {"verb": "dispatch", "pool_id": str(UUID(int=1)), "at": "2020-01-01T00:00:00+00:00"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("verb", "body"),
    [("schedule", ""), ("dispatch", json.dumps(NO_POOLS)), ("observe", json.dumps(NOBODYS))],
)
def test_neither_an_import_nor_a_request_with_nothing_to_do_brings_anything_heavy(
    verb: str, body: str, postgres_url: str
) -> None:
    names = [f"SKYLIFT_{kind}_{each}" for kind in ("QUEUE", "URL") for each in ("DISPATCH", "OBSERVE", "SCHEDULE")]
    env = {
        **dict.fromkeys(names, "http://127.0.0.1:1/"),
        "SKYLIFT_DATABASE_URL": postgres_url,
        "SKYLIFT_SECRET_KEY": "x" * 43 + "=",
        "SKYLIFT_API_URL": "http://api",
        "SKYLIFT_INVOKER": "invoker",
        "SKYLIFT_IAM_CHECKED": "true",
    }
    words = [sys.executable, "-c", SCRIPT, json.dumps(HEAVY), verb, str(SOURCE), body]
    done = subprocess.run(words, env={**os.environ, **env}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[], 204, []]
