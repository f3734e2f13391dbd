"""A dispatcher in AWS becomes the pushing account of a pool in Google Cloud, without a key."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.provider import Unreachable
from skylift.provisioner import ProvisionError
from skylift_cloud_run.client import Client
from skylift_cloud_run.credentials import Credentials
from skylift_cloud_run.views import Place
from tests.clouds.google_project import LocalGoogleProject
from tests.infra.gcp.project import applied, changes, destroyed, opened
from tests.infra.gcp.test_gcp import PROJECT, WAYS

ROLE = WAYS["federation"]


def test_a_role_in_aws_becomes_the_pushing_account(cloud: LocalGoogleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """That role, and no other of its account; without a key."""
    cloud.federation.aws = {
        "AKIATHEONE": "arn:aws:sts::111122223333:assumed-role/skylift",
        "AKIAANOTHER": "arn:aws:sts::111122223333:assumed-role/somebody",
    }
    held = applied(**ROLE).block_data
    assert set(held) == {"project", "impersonate_service_account", "workload_identity_provider"}
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATHEONE")
    assert Client(Credentials.model_validate(held)).list_jobs(Place(PROJECT, "us-central1")) == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAANOTHER")
    with pytest.raises(Unreachable, match="condition"):
        Client(Credentials.model_validate(held)).list_jobs(Place(PROJECT, "us-central1"))
    destroyed(**ROLE)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATHEONE")
    with pytest.raises(Unreachable):
        Client(Credentials.model_validate(held)).list_jobs(Place(PROJECT, "us-central1"))


def test_a_deleted_provider_comes_back_for_another_role(cloud: LocalGoogleProject) -> None:
    applied(**ROLE)
    destroyed(**ROLE)
    other: dict[str, Any] = {"dispatcher": "arn:aws:sts::444455556666:assumed-role/other/session"}
    applied(**other)
    (provider,) = (each for name, each in cloud.federation.all.items() if name.endswith("/aws"))
    assert provider["aws"] == {"accountId": "444455556666"}
    assert "assumed-role/other" in provider["attributeCondition"]
    provider["attributeCondition"] = "true"
    assert changes(**other)["identity-provider"] == ("update", ("its attributeCondition",))
    applied(**other)
    assert changes(**other) == {}


def test_who_cannot_be_let_in_is_told(cloud: LocalGoogleProject) -> None:
    with pytest.raises(ProvisionError, match="azure:tenant/identity"):
        opened(dispatcher="azure:tenant/identity")
    with pytest.raises(ProvisionError, match="Only one role"):
        opened(dispatcher="arn:aws:iam::111122223333:role/a,arn:aws:sts::111122223333:assumed-role/b/session")
