"""A dispatcher in AWS or Azure becomes the pushing account of a pool in Google Cloud, without a key."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from google.auth.crypt import RSASigner
from pydantic import ValidationError

from skylift.provider import Unreachable
from skylift.provisioner import ProvisionError
from skylift_cloud_run.client import Client
from skylift_cloud_run.credentials import Credentials
from skylift_cloud_run.views import Place
from skylift_infra.gcp import federation
from tests.clouds.google_project import LocalGoogleProject
from tests.clouds.http_cloud import Answer, HttpCloud, Request
from tests.infra.gcp.project import applied, changes, destroyed, opened
from tests.infra.gcp.test_gcp import PROJECT, PUSH, WAYS, account

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
    with pytest.raises(ProvisionError, match="Only one dispatcher"):
        opened(dispatcher="arn:aws:iam::111122223333:role/a,arn:aws:sts::111122223333:assumed-role/b/session")


TENANT, OBJECT = "11111111-1111-1111-1111-111111111111", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
APPLICATION = "api://skylift"
IN_AZURE: dict[str, Any] = {"dispatcher": f"azure:{TENANT}|{OBJECT}|{APPLICATION}"}


class Azure(HttpCloud):
    """Where a managed identity's tokens come from: an app's own endpoint, or a machine's. They are signed."""

    def __init__(self, issuer: str = f"https://sts.windows.net/{TENANT}/", subject: str = OBJECT) -> None:
        super().__init__()
        self.issuer, self.subject, self.asked = issuer, subject, list[dict[str, str]]()
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        self.signer = RSASigner.from_string(pem)
        self.public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def answer(self, request: Request) -> Answer:
        app = request.path == "/msi/token" and request.headers.get("x-identity-header") == "word"
        machine = request.path == "/metadata/identity/oauth2/token" and request.headers.get("metadata") == "True"
        if not app and not machine:
            return Answer(400, {"error": "invalid_request"})
        self.asked.append(dict(request.query))
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": self.subject, "aud": request.query["resource"]}
        token = jwt.encode(self.signer, {**claims, "iat": now, "exp": now + 3600}).decode()
        return Answer(body={"access_token": token, "expires_in": "3600", "token_type": "Bearer"})


def as_app(monkeypatch: pytest.MonkeyPatch, azure: Azure) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{azure.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "word")


def test_a_managed_identity_in_azure_becomes_the_pushing_account(
    cloud: LocalGoogleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a function by its endpoint, on a machine by its own; with a token that is for nothing else."""
    held = applied(**IN_AZURE).block_data
    assert changes(**IN_AZURE) == {}
    assert held["azure_application"] == APPLICATION
    place = Place(PROJECT, "us-central1")
    with Azure() as azure:
        cloud.federation.issuers = {f"https://sts.windows.net/{TENANT}/": azure.public}
        as_app(monkeypatch, azure)
        assert Client(Credentials.model_validate(held)).list_jobs(place) == []
        monkeypatch.delenv("IDENTITY_ENDPOINT")
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure.url)
        monkeypatch.setenv("AZURE_CLIENT_ID", "the-one-that-is-meant")
        assert Client(Credentials.model_validate(held)).list_jobs(place) == []
        assert [each["resource"] for each in azure.asked] == [APPLICATION, APPLICATION]
        assert azure.asked[1]["client_id"] == "the-one-that-is-meant"
        destroyed(**IN_AZURE)
        with pytest.raises(Unreachable):
            Client(Credentials.model_validate(held)).list_jobs(place)


@pytest.mark.parametrize(
    "other",
    [{"subject": "f" * 8 + "-bbbb-cccc-dddd-" + "e" * 12}, {"issuer": "https://sts.windows.net/of-somebody-else/"}],
    ids=["another identity", "another tenant"],
)
def test_nobody_else_in_azure_is_let_in(
    cloud: LocalGoogleProject, monkeypatch: pytest.MonkeyPatch, other: dict[str, str]
) -> None:
    held = applied(**IN_AZURE).block_data
    with Azure(**other) as azure:
        cloud.federation.issuers = {azure.issuer: azure.public}
        as_app(monkeypatch, azure)
        with pytest.raises(Unreachable, match="condition"):
            Client(Credentials.model_validate(held)).list_jobs(Place(PROJECT, "us-central1"))


def test_from_one_cloud_to_another_and_to_none(cloud: LocalGoogleProject) -> None:
    """What let in the dispatcher before is told, and removed; also by whoever only wants it all gone."""
    empty = cloud.everything()
    applied(**ROLE)
    told = {key: action for key, (action, _) in changes(**IN_AZURE).items()}
    assert told == {"identity-provider": "create", "federation": "create", "former-identity-provider-aws": "delete"}
    applied(**IN_AZURE)
    assert changes(**IN_AZURE) == {}
    federated = [member for _, member in cloud.iam.policies.bindings()[account(PUSH)] if "principal" in member]
    assert [each.rpartition("/")[2] for each in federated] == [OBJECT]
    applied()
    assert changes() == {}
    assert not cloud.federation.active()
    applied(**ROLE)
    destroyed()
    assert cloud.everything() == empty


def test_a_token_that_would_be_worth_something_elsewhere_is_never_asked_for() -> None:
    with pytest.raises(ProvisionError):
        federation.outsider(f"azure:{TENANT}|{OBJECT}|https://management.azure.com/")
    provider = "projects/1/locations/global/workloadIdentityPools/p/providers/azure"
    with pytest.raises(ValidationError):
        Credentials(workload_identity_provider=provider, azure_application="https://management.azure.com/")
