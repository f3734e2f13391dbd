"""The local Azure itself: it keeps the rules that the provider's promises hang on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from skylift.provider import Provider
from skylift_container_instance.client import client_for
from skylift_container_instance.place import Place
from skylift_container_instance.request import build
from tests.clouds.azure import RESOURCE_GROUP, LocalAzure
from tests.clouds.azure_login import CLIENT
from tests.clouds.azure_schema import Invalid, check_group
from tests.clouds.containers import wait_until
from tests.providers.container_instance.support import ContainerInstanceHarness
from tests.providers.container_instance.test_requests import body_of, launch_of
from tests.providers.contract import new_launch, watch


@pytest.fixture
def provider(harness: ContainerInstanceHarness) -> Provider:
    return harness.provider()


def test_another_put_restarts_what_runs(
    harness: ContainerInstanceHarness, cloud: LocalAzure, provider: Provider
) -> None:
    """The local Azure does as the real one: this is what a launch must never do."""
    launch = new_launch(harness.configuration("endless", {}))
    provider.launch(launch)
    assert wait_until(lambda: provider.status([watch(launch)])[launch.attempt_id].phase == "running")
    place = Place.of(launch.configuration)
    assert place
    wanted = build(launch, place)
    body = {**wanted.body, "location": "westeurope"}
    client_for(place).create(RESOURCE_GROUP, wanted.name, body, lambda: None)
    assert wait_until(lambda: harness.starts(launch.attempt_id) == 2)
    assert cloud.group_of(launch.attempt_id).starts == 2


def test_the_schema_refuses_what_microsoft_does_not_know() -> None:
    """The oracle itself: each of these has one thing wrong."""
    good = body_of(launch_of(volumes=[{"name": "scratch", "mount_path": "/s", "empty_dir": True}]))
    check_group("fine", good)
    changes: list[Callable[[dict[str, Any]], object]] = [
        lambda body: body.pop("location"),
        lambda body: body.update(surprise=1),
        lambda body: body["properties"].update(surprise=1),
        lambda body: body["properties"].update(provisioningState="Succeeded"),
        lambda body: body["properties"].update(osType="BeOS"),
        lambda body: body["properties"].pop("containers"),
        lambda body: body["properties"]["containers"][0]["properties"].pop("resources"),
        lambda body: body["properties"]["containers"][0]["properties"]["resources"]["requests"].update(cpu="1"),
        lambda body: body["properties"]["containers"][0]["properties"].update(environment={}),
        lambda body: body["properties"]["volumes"][0].pop("name"),
        lambda body: body["tags"].update({"a/b": "c"}),
    ]
    for change in changes:
        bad = json.loads(json.dumps(good))
        change(bad)
        with pytest.raises(Invalid):
            check_group("fine", bad)


def test_what_is_secret_is_never_shown_again(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    configuration = harness.configuration("lines", {})
    registry = {"registry_url": "r.example", "username": "u", "password": "registry-pass-1"}
    launch = new_launch({**configuration, "pool_secret": "pool-secret-1", "image_registry": registry})
    handle = harness.provider().launch(launch)
    headers = {"Authorization": f"Bearer {cloud.login.grant(CLIENT, 'secret')}"}
    for path in (handle, handle.rpartition("/")[0]):
        answer = httpx.get(cloud.url + path, headers=headers)
        assert answer.status_code == 200
        assert "SKYLIFT_POOL_SECRET" in answer.text
        assert "-secret-1" not in answer.text
        assert "-pass-1" not in answer.text


def test_nobody_is_served_without_a_token(cloud: LocalAzure) -> None:
    place = Place.of(cloud.variables())
    assert place
    for headers in ({}, {"Authorization": "Bearer made-up"}):
        answer = httpx.get(f"{cloud.url}{place.id}", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")
