"""The commands of docs/providers/ecs.md, run as written; its tables, its permissions and its numbers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skylift_ecs import PROVIDER, quota, tasks
from skylift_ecs.definition import SIZES
from skylift_ecs.definitions import KEEP
from skylift_ecs.permissions import ALL
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import ACCOUNT, KEYS
from tests.providers.ecs.support import CLUSTER, ROLE
from tests.support.service import serving

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "providers" / "ecs.md").read_text()
REFERENCE = "{{ prefect.blocks.aws-credentials.team }}"


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```([\w ]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for named, text in found if named == language]


@pytest.mark.long
def test_the_commands_work(cloud: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(blocks("json")[0].replace("123456789012", ACCOUNT))
    (tmp_path / "home").mkdir()
    commands = [line.split() for block in blocks("") for line in block.splitlines() if line.startswith("skylift ")]
    assert len(commands) == 4
    cloud.allowed = frozenset([*(cloud.allowed or ()), "sts:AssumeRole"])
    aws = {"AWS_ENDPOINT_URL": cloud.url} | {name.upper(): value for name, value in KEYS.items()}
    with serving(tmp_path / "home", **aws) as service:
        environment = {**os.environ, "PREFECT_API_URL": service.url, "NO_COLOR": "1", "COLUMNS": "200"}
        for command in commands:
            ran = subprocess.run(
                [sys.executable, "-m", *command], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert ran.returncode == 0, ran.stderr + ran.stdout
            if "--file" in command:
                fill_in(tmp_path / command[-1])
    assert "failed" not in ran.stdout
    assert "eu-central-1" in ran.stdout


def fill_in(path: Path) -> None:
    """As the page says."""
    template = json.loads(path.read_text())
    assert REFERENCE in PAGE
    defaults = {"aws_credentials": REFERENCE, "cluster": CLUSTER, "image": "etl:1", "execution_role_arn": ROLE}
    for name, value in defaults.items():
        assert f"`{name}`" in PAGE
        template["variables"]["properties"][name]["default"] = value
    path.write_text(json.dumps(template))


def test_every_variable_is_in_the_table() -> None:
    listed = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert set(PROVIDER.base_job_template()["variables"]["properties"]) <= listed


def test_the_permissions_are_what_the_calls_need() -> None:
    listed = {purpose: set(blocks(f"text {purpose}")[0].split()) for purpose in ("runs", "secrets", "check")}
    needed = {each.action for each in ALL}
    assert set().union(*listed.values()) | {"iam:PassRole"} == needed
    assert listed["secrets"] == {each.action for each in ALL if each.purpose == "secrets"}
    assert listed["check"] == {each.action for each in ALL if each.purpose == "check"}


def test_the_numbers() -> None:
    rate, burst = quota.FARGATE
    assert f"{rate:g} a second, {burst} at once" in PAGE
    assert f"{quota.MACHINES[0]:g} a second, {quota.MACHINES[1]} at once" in PAGE
    assert f"every {PROVIDER.look_every:g} seconds" in PAGE
    assert f"for {KEEP.days} days" in PAGE
    assert f"missing for {tasks.SETTLE:g} seconds" in PAGE
    flat = " ".join(PAGE.split())
    for cpu, sizes in SIZES.items():
        if len(sizes) > 3:
            assert re.search(rf"{cpu} with {min(sizes)} to {max(sizes)}", flat), cpu
