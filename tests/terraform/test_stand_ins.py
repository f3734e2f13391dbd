"""The stand-ins for the vendors' providers: terraform finds with them what it finds with the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.terraform.workspace import VENV, TerraformError, Workspace, binary, planned_resources, providers

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]

TYPES = {
    "aws_caller_identity",
    "aws_ecs_cluster",
    "aws_secretsmanager_secret_version",
    "azurerm_resource_group",
    "google_storage_bucket",
}
CLUSTER = """
resource "aws_ecs_cluster" "this" {
  name = "a"
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    binary()
    with providers(TYPES, tmp_path_factory.mktemp("providers")) as env:
        yield env


@pytest.fixture
def configured(served: Mapping[str, str], tmp_path: Path) -> Workspace:
    (tmp_path / "configuration").mkdir()
    (tmp_path / "scratch").mkdir()
    return Workspace(tmp_path / "configuration", served, tmp_path / "scratch")


def test_terraform_takes_every_schema_that_was_rebuilt(tmp_path: Path) -> None:
    """It looks at each of them, and refuses what no provider can have."""
    rebuilt = {file.stem: json.loads(file.read_text()) for file in (VENV / "schemas").glob("*.json")}
    names = {name for each in rebuilt.values() for kind in ("resources", "data") for name in each[kind]}
    needed = "\n".join(f'    {name} = {{ source = "hashicorp/{name}" }}' for name in rebuilt)
    (tmp_path / "main.tf").write_text(f"terraform {{\n  required_providers {{\n{needed}\n  }}\n}}\n")
    with providers(names, tmp_path) as env:
        workspace = Workspace(tmp_path, env, tmp_path)
        workspace.init()
        taken = json.loads(workspace.run("providers", "schema", "-json"))["provider_schemas"]
    for name, each in rebuilt.items():
        found = taken[f"registry.terraform.io/hashicorp/{name}"]
        assert set(found["resource_schemas"]) == set(each["resources"])
        assert set(found.get("data_source_schemas", {})) == set(each["data"])
        assert found["ephemeral_resource_schemas"]
    assert {"aws", "azurerm", "google"} <= set(rebuilt)
    assert len(names) > 4000


def opened(workspace: Workspace, text: str) -> Workspace:
    (workspace.folder / "main.tf").write_text(text)
    workspace.init()
    return workspace


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CLUSTER.replace('name = "a"', ""), 'The argument "name" is required'),
        (CLUSTER.replace('name = "a"', 'name = "a"\n  nmae = "b"'), 'An argument named "nmae" is not expected here'),
        (CLUSTER.replace("setting {", "settings {"), 'Did you mean "setting"?'),
        (CLUSTER.replace('value = "enabled"', ""), 'The argument "value" is required'),
        (CLUSTER.replace('name = "a"', "name = []"), 'Inappropriate value for attribute "name"'),
        (CLUSTER.replace('name = "a"', 'name = "a"\n  arn = "b"'), "Can't configure a value for"),
        (CLUSTER + 'output "o" { value = aws_ecs_cluster.this.arnn }', "This object has no argument"),
        ('resource "aws_ecs_clutser" "this" {}', "does not support resource type"),
        ('resource "google_storage_bucket" "b" { name = "b" }', 'The argument "location" is required'),
        ('resource "azurerm_resource_group" "g" { name = "g" }', 'The argument "location" is required'),
    ],
)
def test_mistakes_are_found(configured: Workspace, text: str, says: str) -> None:
    with pytest.raises(TerraformError) as raised:
        opened(configured, text).validate()
    assert says in " ".join(str(raised.value).split()).replace("│ ", "")


def test_a_plan_knows_what_the_cloud_decides(configured: Workspace) -> None:
    data = 'data "aws_caller_identity" "me" {}\noutput "account" { value = data.aws_caller_identity.me.account_id }'
    plan = opened(configured, CLUSTER + data).plan()
    assert planned_resources(plan)["aws_ecs_cluster.this"]["name"] == "a"
    (change,) = plan["resource_changes"]
    assert change["change"]["after_unknown"]["arn"] is True
    assert plan["planned_values"]["outputs"]["account"]["value"] == "123456789012"


def test_what_was_applied_is_planned_no_more(configured: Workspace) -> None:
    workspace = opened(configured, CLUSTER)
    state = f"-state={workspace.scratch / 'state'}"
    workspace.run("apply", "-auto-approve", "-no-color", "-lock=false", state)
    assert not planned_resources(workspace.plan())
    workspace.folder.joinpath("main.tf").write_text(CLUSTER.replace("enabled", "disabled"))
    assert [*planned_resources(workspace.plan())] == ["aws_ecs_cluster.this"]
    workspace.run("destroy", "-auto-approve", "-no-color", "-lock=false", state)


def test_what_is_only_written_is_not_kept(configured: Workspace) -> None:
    text = """
variable "secret" {
  type      = string
  ephemeral = true
}
resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = "a"
  secret_string_wo         = var.secret
  secret_string_wo_version = 1
}
"""
    workspace = opened(configured, text)
    state = f"-state={workspace.scratch / 'state'}"
    workspace.run("apply", "-auto-approve", "-no-color", "-lock=false", state, "-var=secret=hidden-word")
    kept = (workspace.scratch / "state").read_text()
    assert "aws_secretsmanager_secret_version" in kept
    assert "hidden-word" not in kept


def test_a_secret_that_is_made_on_the_way_is_kept_nowhere(configured: Workspace) -> None:
    told = configured.scratch / "told"
    text = f"""
ephemeral "aws_secretsmanager_random_password" "new" {{
  password_length = 40
}}
resource "aws_secretsmanager_secret_version" "this" {{
  secret_id                = "a"
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.new.random_password
  secret_string_wo_version = 1
}}
ephemeral "aws_secretsmanager_secret_version" "kept" {{
  secret_id = aws_secretsmanager_secret_version.this.secret_id
}}
resource "terraform_data" "told" {{
  provisioner "local-exec" {{
    command     = "printf %s $HASH > {told}"
    environment = {{ HASH = sha256(ephemeral.aws_secretsmanager_secret_version.kept.secret_string) }}
  }}
}}
"""
    workspace = opened(configured, text)
    state = f"-state={workspace.scratch / 'state'}"
    workspace.run("apply", "-auto-approve", "-no-color", "-lock=false", state)
    assert len(told.read_text()) == 64
    kept = (workspace.scratch / "state").read_text()
    assert told.read_text() not in kept
    assert "made-up-random_password" not in kept
    assert "made-up-secret_string" not in kept


def test_an_ephemeral_value_goes_nowhere_else(configured: Workspace) -> None:
    text = 'variable "s" {\n  type = string\n  ephemeral = true\n  default = "x"\n}\n'
    with pytest.raises(TerraformError, match="Invalid use of ephemeral value"):
        opened(configured, text + 'resource "aws_ecs_cluster" "this" { name = var.s }').plan()
