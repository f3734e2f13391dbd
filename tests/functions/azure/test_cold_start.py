"""What a cold start brings along: neither a web server nor an SDK before an invocation needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

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
functions["schedule"](None, Context())
for name, body in json.loads(sys.argv[3]).items():
    functions[name](func.QueueMessage(id="1", body=json.dumps(body)))
print(json.dumps([before, imported, heavy()]))
"""
AT = "2020-01-01T00:00:00+00:00"


EVENTS = {
    "dispatch": {"verb": "dispatch", "pool_id": str(UUID(int=1)), "at": AT},
    "observe": {"verb": "observe", "at": AT},
}


def test_neither_loading_the_app_nor_events_with_nothing_to_do_bring_anything_heavy(postgres_url: str) -> None:
    settings = {
        "SKYLIFT_DATABASE_URL": postgres_url,
        "SKYLIFT_SECRET_KEY": "x" * 43 + "=",
        "SKYLIFT_API_URL": "http://api",
        CONNECTION: "UseDevelopmentStorage=true",
    }
    words = [sys.executable, "-c", SCRIPT, json.dumps(HEAVY), str(ROOT), json.dumps(EVENTS)]
    done = subprocess.run(words, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [False, [], []]
