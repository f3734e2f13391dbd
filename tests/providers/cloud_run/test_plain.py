"""What comes from a block or has a secret's name, and may be shown all the same: projects, accounts, references."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from skylift.provider import Rejected
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run.support import ACCOUNT, PROJECT, configuration, job_body, new_provider
from tests.providers.contract import new_launch

KEY = "-----BEGIN PRIVATE KEY-----..."
INFO = {
    "type": "service_account",
    "project_id": PROJECT,
    "private_key_id": "9f86d081884c7d65",
    "private_key": KEY,
    "client_email": ACCOUNT,
    "token_uri": "https://oauth2.googleapis.com/token",
}
BLOCK: dict[str, Any] = {"project": PROJECT, "impersonate_service_account": ACCOUNT}


def test_a_pool_with_credentials_runs_as_an_account_of_their_project(cloud: LocalGoogle) -> None:
    references = {"DB": {"secret": "db-password", "version": "7"}}
    cloud.secrets.put(PROJECT, "db-password", "x")
    values = configuration(["true"], {}, env_from_secrets=references, pool_secret=f"projects/{PROJECT}/secrets/pool")
    values["job_body"] = job_body(image=f"europe-docker.pkg.dev/{PROJECT}/flows/etl:1")
    secrets = {*BLOCK.values(), "db-password", "7", values["pool_secret"]}
    launch = replace(new_launch({**values, "credentials": BLOCK}), secrets=frozenset(secrets))
    assert new_provider().launch(launch)


@pytest.mark.parametrize("shown", [KEY, INFO["private_key_id"]])
def test_a_key_is_shown_nowhere(cloud: LocalGoogle, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skylift_cloud_run.adapter.client_and_place", lambda chosen: (None, _place()))
    values = configuration(["true"], {}, labels={"note": "x"})
    values["job_body"]["template"]["template"]["containers"][0]["args"] = [shown]
    launch = replace(
        new_launch({**values, "credentials": {"service_account_info": INFO}}), secrets=frozenset(INFO.values())
    )
    with pytest.raises(Rejected, match="secret value"):
        new_provider().launch(launch)


def _place() -> Any:
    from skylift_cloud_run.views import Place

    return Place(PROJECT, "europe-west1")
