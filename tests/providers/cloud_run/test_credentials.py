"""Who calls Google: a key, an account to impersonate, or the process's own identity; and where Google is."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import google.auth
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from skylift.provider import Rejected, TooLate, Unreachable
from skylift_cloud_run import client, transport
from skylift_cloud_run.client import client_for
from skylift_cloud_run.credentials import ENDPOINT, Credentials, endpoint, is_loopback, load
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run.support import JOBS, PROJECT, configuration, new_provider, under_runner, until
from tests.providers.contract import new_launch, watch

EMAIL = f"dispatcher@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.fixture
def key(cloud: LocalGoogle, private_key: str) -> dict[str, Any]:
    """A service account's key, for a cloud that wants to see tokens."""
    cloud.tokens = {}
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "client_email": EMAIL,
        "private_key_id": "1",
        "private_key": private_key,
        "token_uri": f"{cloud.url}/token",
    }


def launch_with(credentials: dict[str, Any], **more: Any) -> None:
    provider = new_provider()
    made = configuration(["true"], {}, credentials=credentials, **more)
    launch = new_launch({name: each for name, each in made.items() if name != "project"})
    assert until(provider, watch(launch, provider.launch(launch)), "ended").exit_code == 0


def test_a_key_of_a_block_is_used(cloud: LocalGoogle, key: dict[str, Any]) -> None:
    launch_with({"service_account_info": key})
    assert cloud.tokens
    assert set(cloud.tokens.values()) == {EMAIL}
    assert all(f"projects/{PROJECT}/" in name for name in cloud.run.jobs)
    assert "PRIVATE KEY" not in cloud.journal.shown()


def test_a_key_may_be_the_text_of_its_file_or_the_file(cloud: LocalGoogle, key: dict[str, Any], tmp_path: Path) -> None:
    launch_with({"service_account_info": json.dumps(key), "project": "another-project"})
    assert all("projects/another-project/" in name for name in cloud.run.jobs)
    (tmp_path / "key.json").write_text(json.dumps(key))
    launch_with({"service_account_file": str(tmp_path / "key.json")})


def test_an_account_is_impersonated(cloud: LocalGoogle, key: dict[str, Any]) -> None:
    target = f"pool@{PROJECT}.iam.gserviceaccount.com"
    launch_with({"service_account_info": key, "impersonate_service_account": target})
    assert cloud.tokens
    assert set(cloud.tokens.values()) == {EMAIL, target}


def test_who_is_not_let_in_is_unreachable(cloud: LocalGoogle) -> None:
    cloud.tokens = {}
    with pytest.raises(Unreachable, match="invalid authentication") as caught:
        new_provider().launch(new_launch(configuration(["true"], {})))
    assert "gcp-credentials" in str(caught.value.remedy)


@pytest.mark.parametrize(
    "credentials",
    [{"service_account_info": {"type": "service_account"}}, {"service_account_file": "/nowhere/key.json"}],
)
def test_a_key_that_is_none_is_rejected(cloud: LocalGoogle, credentials: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="key cannot be used") as caught:
        new_provider().launch(new_launch(configuration(["true"], {}, credentials=credentials)))
    assert "service_account_info" in str(caught.value.remedy)


def test_without_credentials_only_this_machine_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(scopes: Any) -> Any:
        raise google.auth.exceptions.DefaultCredentialsError("none")

    monkeypatch.setattr(google.auth, "default", nobody)
    for there in ("https://run.example.com", "http://run.example.com", "http://10.0.0.1:80", "https://127.0.0.1:1"):
        monkeypatch.setenv(ENDPOINT, there)
        with pytest.raises(Unreachable, match="no Google identity") as caught:
            load(Credentials())
        assert "application-default login" in str(caught.value.remedy)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    assert load(Credentials(project="p"))[1] == "p"


def test_endpoints_are_the_operators_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENDPOINT, raising=False)
    assert endpoint("run") == "https://run.googleapis.com"
    monkeypatch.setenv(f"{ENDPOINT}_RUN", "https://europe-west1-run.googleapis.com/")
    assert endpoint("run") == "https://europe-west1-run.googleapis.com"
    assert endpoint("logging") == "https://logging.googleapis.com"
    monkeypatch.setenv(ENDPOINT, "https://google.internal")
    assert (endpoint("run"), endpoint("logging")) == (
        "https://europe-west1-run.googleapis.com",
        "https://google.internal",
    )
    assert [is_loopback(each) for each in ("http://localhost:1", "http://[::1]:2", "http://8.8.8.8", "ftp://::1")] == [
        True,
        True,
        False,
        False,
    ]


def test_no_job_variable_leads_credentials_elsewhere(cloud: LocalGoogle) -> None:
    with pytest.raises(Rejected, match="endpoint"):
        new_provider().launch(new_launch(configuration(["true"], {}, endpoint="https://evil.example")))


def test_a_client_is_kept_for_each_identity_and_endpoint(cloud: LocalGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client_for(Credentials(project="p"))
    assert client_for(Credentials(project="p")) is first
    assert client_for(Credentials(project="q")) is not first
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    assert client_for(Credentials(project="p")) is not first


def test_the_check_before_sending_is_inside_the_sdk(cloud: LocalGoogle, key: dict[str, Any]) -> None:
    """It also covers what is sent again after a 401."""
    asked = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise TooLate

    cloud.refuses_jwts = True
    google_client = client_for(Credentials(service_account_info=key))
    with pytest.raises(TooLate), transport.checked_by(check):
        google_client.get_job(f"projects/{PROJECT}/locations/europe-west1/jobs/x")
    assert len(cloud.journal.calls(f"{JOBS}.get")) == 1


def test_a_frozen_dispatcher_sends_nothing(cloud: LocalGoogle) -> None:
    """It was asleep before its last request: under the runner that is the one after the job was made ready."""
    held = cloud.mischief.order(f"{JOBS}.get", "delay", seconds=0.6)
    launch = replace(new_launch(under_runner(["true"])), send_before=time.monotonic() + 0.4)
    with pytest.raises(TooLate):
        new_provider().launch(launch)
    assert held.reached.is_set()
    assert not cloud.run.executions
    assert not cloud.run.jobs


def test_a_google_that_never_answers_is_given_up(cloud: LocalGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUT", 0.3)
    monkeypatch.setattr(client, "TIMEOUT", 0.3)
    cloud.mischief.order("*", "delay", times=9, seconds=1.5)
    with pytest.raises(Unreachable, match="did not answer"):
        new_provider().launch(new_launch(configuration(["true"], {})))
    cloud.mischief.behave()
