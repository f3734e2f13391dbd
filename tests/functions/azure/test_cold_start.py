"""What a cold start brings along: neither a web server nor an SDK before an invocation needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from skylift_functions.azure.platform import CONNECTION

ROOT = Path(__file__).parents[3] / "functions" / "skylift_functions" / "azure" / "root"
HEAVY = (
    "fastapi",
    "starlette",
    "uvicorn",
    "alembic",
    "httpx",
    "click",
    "rich",
    "jinja2",
    "requests",
    "azure.core",
    "azure.identity",
    "azure.storage",
    "azure.mgmt",
    "boto3",
    "botocore",
    "google.auth",
    "modal",
    "docker",
)
SCRIPT = """
import json, sys
import azure.functions as func

def heavy():
    return sorted(set(json.loads(sys.argv[1])) & set(sys.modules))

class Context:
    invocation_id = "1"

sys.path.insert(0, sys.argv[2])
from function_app import app
before = "skylift.parts" in sys.modules or "sqlalchemy" in sys.modules
functions = {each.get_function_name(): each.get_user_function() for each in app.get_functions()}
imported = heavy()
if sys.argv[3] == "schedule":
    functions["schedule"](None, Context())
else:
    functions[sys.argv[3]](func.QueueMessage(id="1", body=sys.argv[4]))
print(json.dumps([before, imported, heavy()]))
"""
AT = "2020-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("function", "body"),
    [
        ("schedule", {}),
        ("dispatch", {"verb": "dispatch", "pool_id": str(UUID(int=1)), "at": AT}),
        ("observe", {"verb": "observe", "at": AT}),
    ],
)
def test_neither_loading_the_app_nor_an_event_with_nothing_to_do_brings_anything_heavy(
    function: str, body: dict[str, str], postgres_url: str
) -> None:
    settings = {
        "SKYLIFT_DATABASE_URL": postgres_url,
        "SKYLIFT_SECRET_KEY": "x" * 43 + "=",
        "SKYLIFT_API_URL": "http://api",
        CONNECTION: "UseDevelopmentStorage=true",
    }
    words = [sys.executable, "-c", SCRIPT, json.dumps(HEAVY), str(ROOT), function, json.dumps(body)]
    done = subprocess.run(words, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [False, [], []]
