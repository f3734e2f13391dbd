"""Names and lines from others, on the terminal of whoever looks at them, and in the service's own log."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from skylift.cli.client import connect, path
from skylift.cli.root import cli
from tests.cli.commands import words
from tests.support.service import OURS

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e\x08hunter2"
"""A title, a cleared screen, a colour in one character, a line's beginning, text that runs backwards."""
LOOKS = """
skylift work-pool ls -v
skylift work-pool ls -o json
skylift work-pool inspect {evil}
skylift work-queue inspect {evil} --pool {evil}
skylift deployment inspect {evil}/{evil}
skylift deployment inspect {evil}/{evil} -o json
skylift flow ls
skylift flow-run inspect {run}
skylift flow-run logs {run}
skylift flow-run logs {run} -o json
skylift flow-run explain {run}
skylift variable ls
skylift webhook ls
skylift api-key ls
skylift deployment inspect none/{evil}
skylift work-pool delete none-{evil} --yes
skylift work-pool pause {evil}
"""


@pytest.fixture
def alone(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SKYLIFT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SKYLIFT_DATABASE_URL", sqlite_url)


def _fill() -> str:
    """Something of everything, with a name that nobody should see as it is; the id of a run."""
    with connect() as api:
        pool = {"name": EVIL, "type": "process:push", "description": EVIL}
        api.post("/work_pools/", pool)
        api.post(f"/work_pools/{path(EVIL)[1:]}/queues", {"name": EVIL, "description": EVIL})
        flow = api.post("/flows/", {"name": EVIL, "tags": [EVIL]})["id"]
        body = {"name": EVIL, "flow_id": flow, "description": EVIL, "tags": [EVIL], "work_pool_name": EVIL}
        made = api.post("/deployments/", body | {"job_variables": {"command": "true"}})["id"]
        state = {"type": "SCHEDULED", "message": EVIL}
        run: str = api.post(f"/deployments/{made}/create_flow_run", {"name": EVIL, "state": state})["id"]
        api.post("/logs/", [_line(run)])
        api.post("/variables/", {"name": "v", "value": {EVIL: EVIL}, "tags": [EVIL]})
        api.post("/skylift/webhooks/", {"name": EVIL, "deployment_id": made})
        api.post("/api_keys/", {"name": EVIL, "role": "viewer"})
    return run


def _line(run: str) -> dict[str, Any]:
    return {"name": EVIL, "level": 20, "message": EVIL, "timestamp": "2026-03-01T12:00:00Z", "flow_run_id": run}


@pytest.mark.long
def test_nothing_moves_the_cursor_of_whoever_looks(alone: None) -> None:
    run = _fill()
    for line in LOOKS.strip().splitlines():
        args = [each.replace("{evil}", EVIL).replace("{run}", run) for each in words(line)]
        done = CliRunner().invoke(cli, args, prog_name="skylift")
        assert done.exit_code in (0, 1), (line, done.output)
        told = done.stdout + done.stderr
        assert not [each for each in told if not (each.isprintable() or each == "\n")], (line, told)
        assert "hunter2" in told, line
        if line.endswith("json"):
            assert EVIL in _texts(json.loads(done.stdout)), "programs get what there is"


def _texts(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()))
    return set().union(*map(_texts, value)) if isinstance(value, list) else {value} if isinstance(value, str) else set()
