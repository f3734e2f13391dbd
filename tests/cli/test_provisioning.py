"""`--provision-infra` on the command line, over a toy cloud: what is shown, asked, made, told to the pool, undone."""

from __future__ import annotations

import json

import pytest

from skylift import registry
from skylift.cli import infra_answers, options, provisioning, work_pool_create
from tests.cli.conftest import Skylift
from tests.support.toy_cloud import ToyCloud, ToyProvisioner

CREATE = ("work-pool", "create", "--type", "process:push", "--provision-infra", "nightly")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> ToyCloud:
    made = ToyCloud()
    monkeypatch.setattr(registry, "provisioner", lambda type_: ToyProvisioner(made, type_))
    return made


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (infra_answers, options, provisioning, work_pool_create):
        monkeypatch.setattr(module, "on_terminal", lambda: True)


def test_the_session_of_somebody_at_a_terminal(skylift: Skylift, cloud: ToyCloud, terminal: None) -> None:
    said = skylift(*CREATE, stdin="north\ny\n").stdout
    assert "Provisioning infrastructure for your work pool nightly will require:" in said
    for line in (
        "Updates in toy cloud in region north",
        "- Create shared thing north/network",
        "- Create thing nightly-role",
        "Updates in Skylift",
        "- Create secret block nightly-secret to store a role",
        "Creating thing north/skylift",
        "Creating secret block nightly-secret",
        "Infrastructure successfully provisioned!",
        "docker login registry.example",
        "PREFECT_DEFAULT_DOCKER_BUILD_NAMESPACE=registry.example/flows",
        "Mind the gap.",
        "Created work pool 'nightly'",
    ):
        assert line in said, said
    pool = skylift.json("work-pool", "inspect", "nightly")
    assert pool["status"] == "READY"
    properties = pool["base_job_template"]["variables"]["properties"]
    assert properties["command"]["default"] == "true"
    block = properties["cpu"]["default"]["$ref"]["block_document_id"]
    assert block
    assert pool["settings"]["admission_secrets"] == ["0" * 64]
    assert len(cloud.things) == 3


def test_no_changes_nothing(skylift: Skylift, cloud: ToyCloud, terminal: None) -> None:
    skylift(*CREATE, stdin="north\nn\n")
    assert not cloud.calls
    assert skylift.json("work-pool", "ls") == []


def test_without_a_terminal_what_is_missing_is_named(skylift: Skylift, cloud: ToyCloud) -> None:
    said = skylift.error(*CREATE, "--yes", code=2)
    assert "--region" in said
    assert "north, south" in said
    said = skylift(*CREATE, "--region", "north", code=2).stderr
    assert "--yes" in said
    assert "--location" in skylift.error(*CREATE, "--region", "north", "--location", "x", "--yes", code=2)
    assert "Use north or south" in skylift.error(*CREATE, "--region", "east", "--yes")
    assert not cloud.calls
    assert skylift.json("work-pool", "ls") == []


def test_a_dry_run_as_json(skylift: Skylift, cloud: ToyCloud) -> None:
    plan = skylift.json(*CREATE, "--region", "south", "--dry-run")
    assert plan["place"] == "toy cloud in region south"
    assert [each["action"] for each in plan["steps"]] == ["create"] * 3
    assert not cloud.calls
    assert skylift.json("work-pool", "ls") == []


@pytest.mark.parametrize("at", range(3))
def test_after_a_failure_the_same_command_goes_on(skylift: Skylift, cloud: ToyCloud, at: int) -> None:
    cloud.fail_at, cloud.acts_first = at, True
    command = (*CREATE, "--region", "north", "--yes")
    assert "The answer was lost" in skylift(*command, code=1).stderr
    (pool,) = skylift.json("work-pool", "ls")
    assert pool["status"] == "PAUSED", "nothing is pushed into what is half there"
    skylift("work-pool", "provision-infra", "nightly", "--yes")
    skylift("work-pool", "resume", "nightly")
    assert len(cloud.things) == 3
    assert skylift.json("work-pool", "provision-infra", "nightly", "--dry-run")["changes"] == 0


def test_what_changed_since_is_told_and_all_is_removed(skylift: Skylift, cloud: ToyCloud) -> None:
    skylift(*CREATE, "--region", "north", "--with-access-key", "--yes")
    assert "there" in skylift("work-pool", "infra", "nightly").stdout
    cloud.things["north/skylift"]["value"] = "small"
    said = skylift("work-pool", "infra", "nightly", code=1).stdout
    assert "its value is 'small'" in said
    removal = json.loads(skylift("work-pool", "destroy-infra", "nightly", "--dry-run", "-o", "json").stdout)
    assert [each["key"] for each in removal["steps"]] == ["cluster", "role", "network"]
    assert "--yes" in skylift("work-pool", "destroy-infra", "nightly", code=2).stderr
    skylift("work-pool", "destroy-infra", "nightly", "--yes")
    assert not cloud.things
    pool = skylift.json("work-pool", "inspect", "nightly")
    assert pool["status"] == "PAUSED"
    assert "default" not in pool["base_job_template"]["variables"]["properties"]["cpu"]
    assert skylift.json("block", "ls") == []
    assert "nightly" in skylift.error("work-pool", "destroy-infra", "nightly", "--yes")


def test_infrastructure_outlives_its_pool(skylift: Skylift, cloud: ToyCloud) -> None:
    skylift(*CREATE, "--region", "north", "--yes")
    skylift("work-pool", "delete", "nightly", "--yes")
    assert len(cloud.things) == 3
    skylift("work-pool", "destroy-infra", "nightly", "--yes")
    assert not cloud.things


def test_types_that_need_nothing(skylift: Skylift) -> None:
    assert "need no infrastructure" in skylift.error(*CREATE)
    said = skylift.error("work-pool", "create", "a", "--type", "process:push", "--region", "x", code=2)
    assert "--provision-infra" in said
