"""docs/webhooks.md as it is written, and real deliveries to a real service that end as completed runs."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.commands import parse, words
from tests.cli.conftest import EXAMPLES, ROOT, Server, Skylift

PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
LINES = [line.removeprefix("$ ") for line in PAGE.splitlines() if line.startswith("$ ")]
DEPLOYMENTS, TEMPLATE = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(IN_PYTHON,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(IN_SHELL,) = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PUSH = {
    "ref": "refs/heads/main",
    "after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
    "repository": {"name": "hello", "full_name": "octo/hello"},
    "commits": [{"id": "6113728f27ae82c7b1a177c8d03f9e96e0adf246"}],
    "head_commit": {"timestamp": "2026-03-01T12:00:00+01:00"},
}
"""The fields of a GitHub push that the page reads."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    (tmp_path / "hooks.yaml").write_text(DEPLOYMENTS)
    (tmp_path / "push.yaml").write_text(TEMPLATE)
    (tmp_path / "push.json").write_text(json.dumps(PUSH))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_it_parses(line: str) -> None:
    parse(line)


def _ended(server: Server, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        run: dict[str, Any] = httpx.get(f"{server.url}/flow_runs/{run_id}", timeout=30).raise_for_status().json()
        if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return run
        time.sleep(0.1)
    raise AssertionError(run)


def test_the_page_as_written_and_deliveries_that_end_completed(remote: Skylift, server: Server, place: Path) -> None:
    for line in LINES:
        remote(*words(line))
        if "webhook create orders" in line:
            _senders_of_the_page(remote, server)
        if "webhook create pushes" in line:
            _a_push(remote, server)
    assert [each["name"] for each in remote.json("webhook", "ls")] == ["orders"]
    delivered = remote.json("webhook", "deliveries", "orders")
    assert {each["outcome"] for each in delivered} == {"run"}


def _senders_of_the_page(remote: Skylift, server: Server) -> None:
    """The rotated secret is told in JSON, too."""
    made = remote.json("webhook", "rotate", "orders")
    url = server.url.removesuffix("/api") + made["path"]
    environment = {**os.environ, "HOOK_URL": url, "HOOK_SECRET": made["secret"]}
    sent = subprocess.run(
        [sys.executable, "-c", IN_PYTHON], env=environment, capture_output=True, text=True, check=True
    )
    run = _ended(server, sent.stdout.strip())
    assert (run["state_type"], run["parameters"]) == ("COMPLETED", {"name": "Grace"})
    if shutil.which("openssl") and shutil.which("curl"):
        sent = subprocess.run(["bash", "-euc", IN_SHELL], env=environment, capture_output=True, text=True, check=True)
        run = _ended(server, json.loads(sent.stdout)["flow_run_id"])
        assert (run["state_type"], run["parameters"]) == ("COMPLETED", {"name": "Linus"})


def _a_push(remote: Skylift, server: Server) -> None:
    """As GitHub sends it, twice."""
    made = remote.json("webhook", "rotate", "pushes", "--overlap", "0s")
    url = server.url.removesuffix("/api") + made["path"]
    body = json.dumps(PUSH).encode()
    headers = {
        "User-Agent": "GitHub-Hookshot/044aadd",
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "X-Hub-Signature-256": "sha256=" + hmac.new(made["secret"].encode(), body, hashlib.sha256).hexdigest(),
    }
    answers = [httpx.post(url, content=body, headers=headers, timeout=30) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    run = _ended(server, answers[0].json()["flow_run_id"])
    assert run["state_type"] == "COMPLETED"
    assert run["parameters"] == {"name": "octo/hello", "times": 1}
    assert run["name"] == "hello-6113728"
    assert run["tags"] == ["main", "push"]
    assert httpx.post(url, content=body + b" ", headers=headers, timeout=30).status_code == 401


def test_what_is_wrong_is_named(skylift: Skylift, place: Path) -> None:
    skylift("work-pool", "create", "hooks", "--type", "process:push")
    skylift("deploy", "hooks.yaml", "--all")
    create = ("webhook", "create", "orders", "--deployment", "greet/by-hook")
    assert "not valid JSON" in skylift.error(*create, "--template", "{", code=2)
    assert "Cannot read none.yaml" in skylift.error(*create, "--template", "none.yaml")
    assert "no field 'params'" in skylift.error(*create, "--template", '{"params": {}}')
    assert "template.parameters.p" in skylift.error(*create, "--template", '{"parameters": {"p": "{{ a b }}"}}')
    assert "--replay-window" in skylift.error(*create, "--replay-window", "soon", code=2)
    assert "16 characters" in skylift.error(*create, "--secret-file", "-", code=1)
    skylift(*create)
    assert "already exists" in skylift.error(*create)
    assert "not found" in skylift.error("webhook", "create", "x", "--deployment", "greet/none")
    assert "'none'" in skylift.error("webhook", "inspect", "none")
    assert "--yes" in skylift.error("webhook", "delete", "orders", code=2)
    assert "Say what to change" in skylift.error("webhook", "update", "orders", code=2)


def test_secrets_are_shown_once(skylift: Skylift, place: Path) -> None:
    skylift("work-pool", "create", "hooks", "--type", "process:push")
    skylift("deploy", "hooks.yaml", "--all")
    made = skylift("webhook", "create", "orders", "--deployment", "greet/by-hook").stdout
    found = re.search(r"slhook_\S+", made)
    assert found
    chosen = "whsec_chosen-by-the-sender"
    given = skylift(
        "webhook",
        "create",
        "paid",
        "-d",
        "greet/by-hook",
        "--secret-kind",
        "stripe",
        "--secret-file",
        "-",
        stdin=chosen,
    )
    later = [
        skylift("webhook", *line).stdout for line in (["ls"], ["inspect", "orders"], ["inspect", "paid", "-o", "json"])
    ]
    for text in (given.stdout, given.stderr, *later):
        assert found[0] not in text
        assert chosen not in text
