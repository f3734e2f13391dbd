"""Tokens are had with Azure's own library, over TLS, from a local identity provider: every way to sign in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skylift.provider import Launch, ProviderError, Rejected, TooLate, Unreachable
from skylift_container_instance import signing_in
from skylift_container_instance.client import client_for
from skylift_container_instance.place import AUTHORITY, ENDPOINT, Azure, Credentials, Place
from tests.clouds.azure import LocalAzure
from tests.clouds.azure_login import CLIENT, CLIENT_SECRET, FEDERATED, TENANT
from tests.clouds.http_cloud import Answer, HttpCloud, Request
from tests.providers.container_instance.support import ContainerInstanceHarness
from tests.providers.contract import new_launch, watch


def launch_with(harness: ContainerInstanceHarness, credentials: dict[str, Any] | None) -> None:
    configuration = {**harness.configuration("lines", {}), "aci_credentials": credentials}
    harness.provider().launch(new_launch(configuration))


def how(cloud: LocalAzure) -> list[tuple[str, str]]:
    return [(each.client, each.how) for each in cloud.login.granted.values()]


def test_a_service_principal_signs_in_once(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    for _ in range(3):
        launch_with(harness, {"client_id": CLIENT, "tenant_id": TENANT, "client_secret": CLIENT_SECRET})
    assert how(cloud) == [(CLIENT, "secret")]


def test_by_the_services_own_variables(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a block: what Azure's library finds where Skylift runs."""
    for name, value in {"CLIENT_ID": CLIENT, "TENANT_ID": TENANT, "CLIENT_SECRET": CLIENT_SECRET}.items():
        monkeypatch.setenv(f"AZURE_{name}", value)
    launch_with(harness, None)
    assert how(cloud) == [(CLIENT, "secret")]


def test_by_workload_identity(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(FEDERATED)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    launch_with(harness, {"client_id": CLIENT, "tenant_id": TENANT})
    assert how(cloud) == [(CLIENT, "federated")]


class Metadata(HttpCloud):
    """The endpoint that a managed identity's tokens come from, as functions and web apps have it."""

    def __init__(self, cloud: LocalAzure) -> None:
        super().__init__()
        self.cloud = cloud

    def answer(self, request: Request) -> Answer:
        if request.headers.get("x-identity-header") != "header":
            return Answer(403, {"error": "no"})
        token = self.cloud.login.grant(request.query["client_id"], "managed")
        return Answer(body={"access_token": token, "expires_on": "4000000000", "token_type": "Bearer"})


def test_by_managed_identity(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Metadata(cloud) as metadata:
        monkeypatch.setenv("IDENTITY_ENDPOINT", metadata.url)
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        launch_with(harness, {"client_id": "an-identity"})
    assert how(cloud) == [("an-identity", "managed")]


def test_a_wrong_secret(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    wrong = {"client_id": CLIENT, "tenant_id": TENANT, "client_secret": "hunter2-hunter2"}
    configuration = {**harness.configuration("lines", {}), "aci_credentials": wrong}
    launch = new_launch(configuration)
    provider = harness.provider()
    calls: list[Callable[[], object]] = [
        lambda: provider.launch(launch),
        lambda: provider.status([watch(launch)]),
        lambda: provider.logs(watch(launch), 3),
        lambda: provider.cleanup(watch(launch)),
    ]
    for call in calls:
        with pytest.raises(Unreachable) as caught:
            call()
        assert "sign in" in str(caught.value)
        assert "aci_credentials" in str(caught.value.remedy)
        assert "hunter2" not in f"{caught.value} {caught.value.remedy}"
    assert not cloud.journal.calls(), "nothing is sent without a token"
    (finding,) = provider.check(configuration)
    assert finding.verdict == "failed"


def test_half_a_principal_is_refused(harness: ContainerInstanceHarness) -> None:
    with pytest.raises(Rejected) as caught:
        launch_with(harness, {"client_id": CLIENT, "client_secret": CLIENT_SECRET})
    assert "tenant_id" in str(caught.value.remedy)


def test_a_secret_is_not_in_what_an_object_says_of_itself() -> None:
    assert "hunter2" not in repr(Place("s", "g", Credentials("c", "t", "hunter2-hunter2")))


@pytest.mark.parametrize(
    "endpoint", ["http://management.example", "http://127.0.0.1.example:80", "management.azure.com"]
)
def test_tokens_do_not_travel_in_the_clear(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv(ENDPOINT, endpoint)
    with pytest.raises(Rejected, match=ENDPOINT):
        Azure.of_the_operator()


def test_sovereign_clouds_are_the_operators_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "https://management.usgovcloudapi.net/")
    monkeypatch.setenv(AUTHORITY, "https://login.microsoftonline.us")
    azure = Azure.of_the_operator()
    assert azure.scope == "https://management.usgovcloudapi.net/.default"
    assert azure.portal == "https://portal.azure.us"
    assert azure.authority == "https://login.microsoftonline.us"
    monkeypatch.delenv(ENDPOINT)
    monkeypatch.delenv(AUTHORITY)
    assert Azure.of_the_operator() == Azure("https://management.azure.com", None)


def test_without_the_sdk_the_extra_is_named(harness: ContainerInstanceHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, *, extra: str) -> Any:
        raise Rejected(f"{module} is not installed", remedy=f"pip install 'skylift[{extra}]'")

    monkeypatch.setattr(signing_in, "sdk", missing)
    with pytest.raises(Rejected) as caught:
        launch_with(harness, {"client_id": "new", "tenant_id": TENANT, "client_secret": "secret-of-nobody"})
    assert "container-instance" in str(caught.value.remedy)


def test_clients_are_shared_by_those_who_sign_in_alike(cloud: LocalAzure) -> None:
    first = client_for(Place("s", "g", Credentials("c", "t", "secret-one")))
    assert client_for(Place("s", "h", Credentials("c", "t", "secret-one"))) is first
    assert client_for(Place("s", "g", Credentials("c", "t", "secret-two"))) is not first


def test_that_the_token_is_there_before_the_last_look_at_the_clock(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever takes long on the way (a token, a look) has been taken when it is asked whether it is still in time."""
    seen: list[tuple[int, int]] = []

    def too_late(launch: Launch) -> None:
        seen.append((len(cloud.login.granted), len(cloud.journal.calls("ContainerGroups_Get"))))
        raise TooLate

    monkeypatch.setattr(Launch, "ensure_in_time", too_late)
    with pytest.raises(ProviderError):
        harness.provider().launch(new_launch(harness.configuration("lines", {})))
    assert seen == [(1, 1)]
    assert not cloud.journal.calls("ContainerGroups_CreateOrUpdate")
