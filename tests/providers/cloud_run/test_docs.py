"""The commands of docs/providers/cloud-run.md, run as written; its tables, its permissions and its numbers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

from skylift_cloud_run import PROVIDER, PROVIDER_V1
from skylift_cloud_run.client import PERMISSIONS, SECRET_PERMISSIONS
from skylift_cloud_run.credentials import ENDPOINT
from skylift_cloud_run.events import SINK_FILTER
from skylift_cloud_run.limits import ALONE, SHARED
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run.support import ACCOUNT, PROJECT, REGION
from tests.support.service import serving

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "providers" / "cloud-run.md").read_text()
REFERENCE = "{{ prefect.blocks.gcp-credentials.team }}"


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```([\w ]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for named, text in found if named == language]


def test_the_commands_work(cloud: LocalGoogle, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(blocks("json")[0])
    (tmp_path / "home").mkdir()
    commands = [line.split() for block in blocks("") for line in block.splitlines() if line.startswith("skylift ")]
    assert len(commands) == 4
    with serving(tmp_path / "home", **{ENDPOINT: cloud.url}) as service:
        environment = {**os.environ, "PREFECT_API_URL": service.url, "NO_COLOR": "1", "COLUMNS": "200"}
        for command in commands:
            ran = subprocess.run(
                [sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert ran.returncode == 0, ran.stderr + ran.stdout
            if "--file" in command:
                fill_in(tmp_path / command[-1])
        assert "failed" not in ran.stdout
        assert PROJECT in ran.stdout
        refer_as_prefect_does(service.url)
        assert (
            "failed"
            not in subprocess.run(
                [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, check=True
            ).stdout
        )


def refer_as_prefect_does(url: str) -> None:
    """What `prefect work-pool create --provision-infra` writes into the template of a pool."""
    with httpx.Client(base_url=url) as http:
        pool = http.get("/work_pools/etl").json()
        (block,) = http.post("/block_documents/filter", json={}).json()
        template = pool["base_job_template"]
        reference = {"$ref": {"block_document_id": block["id"]}}
        template["variables"]["properties"]["credentials"]["default"] = reference
        http.patch("/work_pools/etl", json={"base_job_template": template}).raise_for_status()


def fill_in(path: Path) -> None:
    """As the page says."""
    template = json.loads(path.read_text())
    assert REFERENCE in PAGE
    defaults = {"region": REGION, "image": "etl:1", "service_account_name": ACCOUNT, "credentials": REFERENCE}
    for name, value in defaults.items():
        assert f"`{name}`" in PAGE
        template["variables"]["properties"][name]["default"] = value
    path.write_text(json.dumps(template))


def test_every_variable_is_in_the_table() -> None:
    listed = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    for provider in (PROVIDER, PROVIDER_V1):
        assert set(provider.base_job_template()["variables"]["properties"]) <= listed


def test_the_permissions_are_what_the_calls_need() -> None:
    runs, secrets = (set(text.split()) for text in blocks("text permissions"))
    needed = {name for names in PERMISSIONS.values() for name in names}
    assert runs | {"iam.serviceAccounts.actAs"} == needed
    assert secrets == {name for names in SECRET_PERMISSIONS.values() for name in names}


def test_the_numbers_and_the_filter() -> None:
    assert f"{SHARED[1]} launches at once, then {SHARED[0]} a second" in PAGE
    assert f"{ALONE[0]} a second" in PAGE
    assert f"every {PROVIDER.look_every:g} seconds" in PAGE
    assert SINK_FILTER in PAGE
