"""The commands of docs/providers/modal.md, run as written, and its table of variables."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from skylift_modal import ModalProvider
from tests.clouds.modal_cloud import TOKEN_ID, TOKEN_SECRET
from tests.providers.modal.support import local_modal
from tests.support.service import serving

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "providers" / "modal.md").read_text()


def commands() -> list[list[str]]:
    blocks = re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [line.split() for block in blocks for line in block.splitlines() if line.startswith("skylift ")]


def test_the_commands_work(tmp_path: Path) -> None:
    (tmp_path / "token.json").write_text(json.dumps({"token_id": TOKEN_ID, "token_secret": TOKEN_SECRET}))
    (tmp_path / "home").mkdir()
    with local_modal() as cloud, serving(tmp_path / "home", MODAL_SERVER_URL=cloud.url) as service:
        environment = {**os.environ, "PREFECT_API_URL": service.url, "NO_COLOR": "1", "COLUMNS": "200"}
        done = []
        for command in commands():
            ran = subprocess.run(
                [sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert ran.returncode == 0, ran.stderr
            done.append(" ".join(command[:3]))
            if "--file" in command:
                written = tmp_path / command[-1]
                template = json.loads(written.read_text())
                reference = "{{ prefect.blocks.modal-credentials.team }}"
                assert reference in PAGE
                template["variables"]["properties"]["modal_credentials"]["default"] = reference
                written.write_text(json.dumps(template))
        verbs = ("get-default-base-job-template", "create", "check")
        assert done == ["skylift block create", *(f"skylift work-pool {verb}" for verb in verbs)]
        assert "failed" not in ran.stdout
        assert "local-workspace" in ran.stdout


def test_every_variable_is_in_the_table() -> None:
    listed = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert set(ModalProvider().base_job_template()["variables"]["properties"]) <= listed
