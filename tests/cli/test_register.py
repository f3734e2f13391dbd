"""`work-pool register`: a pool over infrastructure that Terraform made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Server, Skylift

WANTED: dict[str, Any] = {
    "name": "nightly",
    "type": "ecs:push",
    "variables": {"cluster": "runs", "subnets": ["subnet-0a"], "vpc_id": None},
    "credentials": {
        "block_type": "aws-credentials",
        "variable": "aws_credentials",
        "data": {"role_arn": "arn:aws:iam::123456789012:role/dispatcher", "region_name": "eu-central-1"},
    },
    "admission_secret_sha256": "a" * 64,
    "concurrency_limit": 5,
}


def register(skylift: Skylift, wanted: dict[str, Any]) -> dict[str, Any]:
    done = skylift("work-pool", "register", "-", "-o", "json", stdin=json.dumps(wanted))
    pool: dict[str, Any] = json.loads(done.stdout)
    return pool


def test_a_pool_is_there_and_doing_it_again_changes_nothing(remote: Skylift, server: Server) -> None:
    pool = register(remote, WANTED)
    assert (pool["status"], pool["type"], pool["concurrency_limit"]) == ("READY", "ecs:push", 5)
    properties = pool["base_job_template"]["variables"]["properties"]
    assert properties["cluster"]["default"] == "runs"
    assert "default" not in properties["vpc_id"] or properties["vpc_id"]["default"] is None
    assert pool["settings"]["admission_secrets"] == ["a" * 64]
    block = remote.json("block", "inspect", "aws-credentials/nightly-aws-credentials")
    assert properties["aws_credentials"]["default"] == {"$ref": {"block_document_id": block["id"]}}
    assert block["data"]["role_arn"] == WANTED["credentials"]["data"]["role_arn"]

    again = register(remote, WANTED)
    assert {**again, "updated": None} == {**pool, "updated": None}
    assert [each["name"] for each in remote.json("work-pool", "ls")].count("nightly") == 1


def test_what_people_set_stays_and_what_is_told_anew_is_taken(skylift: Skylift) -> None:
    register(skylift, WANTED)
    skylift("work-pool", "pause", "nightly")
    skylift("work-pool", "set-concurrency-limit", "nightly", "2")
    changed = WANTED | {"variables": {"cluster": "other"}, "concurrency_limit": None, "admission_secret_sha256": None}
    pool = register(skylift, changed)
    assert (pool["status"], pool["concurrency_limit"]) == ("PAUSED", 2)
    properties = pool["base_job_template"]["variables"]["properties"]
    assert (properties["cluster"]["default"], properties["subnets"]["default"]) == ("other", ["subnet-0a"])
    assert pool["settings"]["admission_secrets"] == ["a" * 64]


def test_from_the_environment_and_from_a_file(
    skylift: Skylift, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SKYLIFT_REGISTRATION", json.dumps(WANTED))
    assert "Registered work pool 'nightly'" in skylift("work-pool", "register").stdout
    (tmp_path / "pool.json").write_text(json.dumps(WANTED))
    assert "Updated work pool 'nightly'" in skylift("work-pool", "register", str(tmp_path / "pool.json")).stdout


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": ""}, "name: String should have at least 1 character"),
        ({"admission_secret_sha256": "hidden-word"}, "admission_secret_sha256: String should match pattern"),
        ({"cluster": "runs"}, "cluster: Extra inputs are not permitted"),
        ({"credentials": {"block_type": "aws-credentials"}}, "credentials.data: Field required"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(skylift: Skylift, change: dict[str, Any], says: str) -> None:
    done = skylift("work-pool", "register", "-", code=2, stdin=json.dumps(WANTED | change))
    assert says in done.stderr
    assert "hidden-word" not in done.stderr
    assert "nightly" not in [each["name"] for each in skylift.json("work-pool", "ls")]


def test_a_pool_of_another_type_is_left_alone(skylift: Skylift) -> None:
    skylift("work-pool", "create", "nightly", "--type", "process:push")
    done = skylift("work-pool", "register", "-", code=1, stdin=json.dumps(WANTED))
    assert "is of type 'process:push', which cannot be changed" in done.stderr


def test_nothing_to_register(skylift: Skylift) -> None:
    assert "set SKYLIFT_REGISTRATION" in skylift("work-pool", "register", code=2).stderr
