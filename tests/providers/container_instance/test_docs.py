"""The commands of docs/providers/container-instance.md, run as written; its tables and its role."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skylift_container_instance import PROVIDER
from skylift_container_instance.permissions import PERMISSIONS
from skylift_container_instance.quota import BURST, RATE
from tests.clouds.azure import RESOURCE_GROUP, SUBSCRIPTION, LocalAzure
from tests.providers.container_instance.test_requests import body_of, launch_of
from tests.support.service import serving

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "providers" / "container-instance.md").read_text()
REFERENCE = "{{ prefect.blocks.azure-container-instance-credentials.team }}"


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for named, text in found if named == language]


def test_the_commands_work(cloud: LocalAzure, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps(cloud.variables()["aci_credentials"]))
    (tmp_path / "home").mkdir()
    commands = [line.split() for block in blocks("") for line in block.splitlines() if line.startswith("skylift ")]
    assert len(commands) == 4
    with serving(tmp_path / "home", **cloud.environment()) as service:
        environment = {**os.environ, "PREFECT_API_URL": service.url, "NO_COLOR": "1", "COLUMNS": "200"}
        for command in commands:
            ran = subprocess.run(
                [sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert ran.returncode == 0, ran.stderr
            if "--file" in command:
                fill_in(tmp_path / command[-1])
    assert "failed" not in ran.stdout
    assert RESOURCE_GROUP in ran.stdout


def fill_in(path: Path) -> None:
    """As the page says."""
    template = json.loads(path.read_text())
    variables = template["variables"]["properties"]
    assert REFERENCE in PAGE
    defaults = {"subscription_id": SUBSCRIPTION, "resource_group_name": RESOURCE_GROUP, "aci_credentials": REFERENCE}
    for name, value in defaults.items():
        variables[name]["default"] = value
    path.write_text(json.dumps(template))


def test_every_variable_is_in_the_table() -> None:
    listed = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert set(PROVIDER.base_job_template()["variables"]["properties"]) <= listed


def test_the_role_is_what_the_calls_need() -> None:
    (role,) = [json.loads(each) for each in blocks("json") if "AssignableScopes" in each]
    assert role["Actions"] == [each.action for each in PERMISSIONS]
    assert [each.use for each in PERMISSIONS[:6]] == ["runs"] * 6
    assert [each.use for each in PERMISSIONS[-4:]] == ["check"] * 4


@pytest.mark.parametrize("kind", ["empty_dir", "secret", "azure_file"])
def test_the_volumes_are_volumes(kind: str) -> None:
    (volumes,) = [json.loads(each) for each in blocks("json") if "empty_dir" in each]
    assert kind in json.dumps(volumes)
    assert len(body_of(launch_of(volumes=volumes))["properties"]["volumes"]) == 3


def test_the_numbers_of_the_quota() -> None:
    assert f"{BURST} launches at once, then {round(RATE * 3600)} an hour" in PAGE
