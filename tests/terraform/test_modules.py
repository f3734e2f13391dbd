"""Every module and every example through the real terraform, and through checkov."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.terraform.conftest import Open, pools_of
from tests.terraform.hcl import blocks
from tests.terraform.modules import examples, modules, name_of
from tests.terraform.workspace import ROOT, TERRAFORM, MissingError, binary, planned_resources

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(600)]

each_module = pytest.mark.parametrize("module", modules(), ids=name_of)


def test_there_is_something_to_test() -> None:
    assert modules()
    assert examples()


def test_format() -> None:
    done = subprocess.run(
        [binary(), "fmt", "-check", "-recursive", "-diff", "-no-color", str(TERRAFORM)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_module
def test_module(module: Path, workspace: Open) -> None:
    """init, validate, plan with the values that its tests have, and its own tests."""
    terraform = workspace(module)
    terraform.init()
    assert "The configuration is valid" in terraform.validate()
    assert planned_resources(terraform.plan(f"-var-file={module / 'tests' / 'values.tfvars'}"))
    said = terraform.test("-var-file=tests/values.tfvars")
    assert "Success!" in said
    assert " 0 passed" not in said


@pytest.mark.parametrize("example", examples(), ids=name_of)
def test_example(example: Path, workspace: Open, service: str, skylift: Mapping[str, str]) -> None:
    """As a user has it, with the values of its own `terraform.tfvars` if it needs any: applied beside a service that
    runs, then there is nothing to do, and in the end nothing is left."""
    terraform = workspace(example)
    terraform.init()
    assert "The configuration is valid" in terraform.validate()
    assert planned_resources(terraform.plan())
    assert "Apply complete!" in terraform.apply(env=skylift)
    assert len(pools_of(service)) == ("pools" in example.parts), "Skylift is told of a pool, where one is made"
    assert not planned_resources(terraform.plan())
    terraform.apply("-destroy", env=skylift)
    assert not terraform.state()["resources"]


@each_module
def test_checkov(module: Path) -> None:
    """Finds nothing but what is excepted in place, with a reason."""
    checkov = ROOT / ".venv-checkov" / "bin" / "checkov"
    if not checkov.exists():
        raise MissingError("There is no .venv-checkov: run `make test-terraform`, which makes it")
    command = [str(checkov), "--directory", str(module), "--framework", "terraform", "--output", "json"]
    done = subprocess.run(
        [*command, "--skip-download", "--compact"], capture_output=True, text=True, timeout=300, check=False
    )
    report = json.loads(done.stdout)
    if {each.labels[0] for each in blocks(module, "resource")} == {"terraform_data"}:
        return  # it makes nothing anywhere, so there is nothing to check
    assert report["summary"]["passed"], "nothing was checked"
    failed = [
        f"{each['check_id']} {each['check_name']}: {each['file_path']} {each['resource']}"
        for each in report["results"]["failed_checks"]
    ]
    assert not failed, "\n".join(failed)
    excepted = report["results"].get("skipped_checks", [])
    for each in excepted:
        assert len(each["check_result"]["suppress_comment"].split()) > 3, f"{each['check_id']}: say why"
    written = {name for file in module.rglob("*.tf") for name in re.findall(r"checkov:skip=(\w+)", file.read_text())}
    assert written == {each["check_id"] for each in excepted}, "an exception that nothing needs"
