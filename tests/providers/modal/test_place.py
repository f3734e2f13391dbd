"""Whose token, which environment, what it may, how fast it may launch, and where to look at it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from skylift.provider import (
    Checks,
    FindsStrays,
    ForwardsOutput,
    Links,
    Observation,
    Rejected,
    Throttled,
    Unreachable,
    Watched,
)
from skylift_modal import ModalProvider, connection
from skylift_modal.client import CALLS
from tests.clouds.modal_cloud import TOKEN_ID, TOKEN_SECRET
from tests.clouds.modal_service import MISSING_IMAGE
from tests.providers.contract import new_launch, wait_for, watch
from tests.providers.modal.support import ModalHarness, local_modal

CREDENTIALS = {"token_id": TOKEN_ID, "token_secret": TOKEN_SECRET}


@pytest.fixture
def harness() -> Iterator[ModalHarness]:
    with local_modal() as cloud:
        yield ModalHarness(cloud)


def after_the_end(harness: ModalHarness, launch: Any) -> Observation:
    provider = harness.provider()
    return wait_for(lambda: provider.status([watch(launch)])[launch.attempt_id], lambda seen: seen.phase == "ended", 10)


def test_it_has_all_optional_powers_but_events() -> None:
    provider: object = ModalProvider()
    assert all(isinstance(provider, power) for power in (Checks, FindsStrays, ForwardsOutput, Links))


# -- credentials and environments


def test_two_tokens_have_a_connection_each(harness: ModalHarness) -> None:
    harness.cloud.tokens["ak-other"] = "as-other"
    provider = harness.provider()
    other = {"token_id": "ak-other", "token_secret": "as-other"}
    launches = [
        new_launch({**harness.configuration("lines", {}), "modal_credentials": each}) for each in (CREDENTIALS, other)
    ]
    for launch in launches:
        provider.launch(launch)
    assert len(connection._connections) == 2
    found = provider.status([watch(launch) for launch in launches])
    assert set(found) == {launch.attempt_id for launch in launches}


def test_without_any_token(harness: ModalHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODAL_TOKEN_ID")
    with pytest.raises(Unreachable) as caught:
        harness.provider().launch(new_launch(harness.configuration("lines", {})))
    assert "MODAL_TOKEN_ID" in (caught.value.remedy or "")


def test_a_token_that_modal_does_not_know(harness: ModalHarness) -> None:
    wrong = {"token_id": "ak-unknown", "token_secret": "as-whatever-it-is"}
    launch = new_launch({**harness.configuration("lines", {}), "modal_credentials": wrong})
    provider = harness.provider()
    with pytest.raises(Unreachable) as caught:
        provider.launch(launch)
    assert "token" in (caught.value.remedy or "")
    assert "as-whatever" not in f"{caught.value} {caught.value.remedy}"
    with pytest.raises(Unreachable):
        provider.status([watch(launch)])


def test_one_place_that_cannot_be_asked_hides_no_other(harness: ModalHarness) -> None:
    wrong = {"token_id": "ak-unknown", "token_secret": "as-unknown"}
    good = new_launch(harness.configuration("lines", {}))
    bad = new_launch({**harness.configuration("lines", {}), "modal_credentials": wrong})
    provider = harness.provider()
    provider.launch(good)
    assert set(provider.status([watch(bad), watch(good)])) == {good.attempt_id}


def test_nobody_guesses_where_an_attempt_was_launched(harness: ModalHarness) -> None:
    """What was frozen cannot be opened: it is not gone, and it hides no other."""
    provider = harness.provider()
    launch = new_launch(harness.configuration("endless", {}))
    handle = provider.launch(launch)
    unread = Watched(launch.attempt_id, handle, {})
    with pytest.raises(Unreachable):
        provider.status([unread])
    with pytest.raises(Unreachable):
        provider.stop(unread, 0)
    other = new_launch(harness.configuration("lines", {}))
    provider.launch(other)
    assert set(provider.status([unread, watch(other)])) == {other.attempt_id}


def test_strays_are_reached_where_everything_is_left_to_defaults(harness: ModalHarness) -> None:
    provider = harness.provider()
    launch = new_launch(harness.configuration("lines", {}))
    provider.launch(launch)
    after_the_end(harness, launch)
    (stray,) = provider.list_attempts(launch.installation_id, {"command": None, "image": "registry.local/flows:1"})
    provider.cleanup(stray)
    assert provider.status([stray])[launch.attempt_id].phase == "gone"
    assert provider.list_attempts(launch.installation_id, {}) == []


def test_nobody_listens_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODAL_SERVER_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT", 0.5)
    launch = new_launch({"command": ["true"], "env": {}, "modal_credentials": CREDENTIALS})
    with pytest.raises(Unreachable):
        ModalProvider().launch(launch)


def test_an_environment_of_its_own(harness: ModalHarness) -> None:
    configuration = {**harness.configuration("lines", {}), "environment_name": "dev", "secrets": ["db"]}
    harness.cloud.service.add_secret("db", {"DB": "1"}, "dev")
    launch = new_launch(configuration)
    harness.provider().launch(launch)
    assert after_the_end(harness, launch).exit_code == 0
    assert set(harness.cloud.service.apps) == {("dev", "skylift")}


def test_an_environment_that_is_not_there(harness: ModalHarness) -> None:
    launch = new_launch({**harness.configuration("lines", {}), "environment_name": "nowhere"})
    with pytest.raises(Rejected) as caught:
        harness.provider().launch(launch)
    assert "environment_name" in (caught.value.remedy or "")


# -- what a sandbox gets


def test_secrets_volumes_and_the_pool_secret(harness: ModalHarness) -> None:
    service = harness.cloud.service
    service.add_secret("db", {"DB_PASSWORD": "from-modal", "WHO": "secret"})
    service.add_secret("pool", {"SKYLIFT_POOL_SECRET": "the-pool"})
    service.add_volume("numbers")
    more = {"secrets": ["db"], "pool_secret": "pool", "volumes": {"/data": "numbers"}}
    launch = new_launch({**harness.configuration("lines", {"WHO": "env"}), **more})
    harness.provider().launch(launch)
    assert after_the_end(harness, launch).exit_code == 0
    (container,) = harness.containers.all.values()
    wanted = {"DB_PASSWORD": "from-modal", "SKYLIFT_POOL_SECRET": "the-pool", "WHO": "env"}
    assert wanted.items() <= container.env.items()
    (created,) = harness.journal.calls("SandboxCreateV2")
    assert [each["mount_path"] for each in created.body["definition"]["volume_mounts"]] == ["/data"]


@pytest.mark.parametrize("more", [{"secrets": ["nowhere"]}, {"volumes": {"/data": "nowhere"}}, {"pool_secret": "none"}])
def test_what_is_named_and_not_there(harness: ModalHarness, more: dict[str, Any]) -> None:
    launch = new_launch({**harness.configuration("lines", {}), **more})
    with pytest.raises(Rejected) as caught:
        harness.provider().launch(launch)
    assert "Create the" in (caught.value.remedy or "")
    assert not harness.cloud.sandboxes.all


def test_packages_are_a_layer_that_is_built_once(harness: ModalHarness) -> None:
    configuration = {**harness.configuration("lines", {}), "image_packages": ["pandas==2.2", "httpx"]}
    for _ in range(3):
        harness.provider().launch(new_launch(configuration))
    builds = harness.journal.calls("ImageGetOrCreate")
    assert len(builds) == 2, "the image and its layer, both once"
    assert any("pandas==2.2" in line for line in builds[1].body["image"]["dockerfile_commands"])


def test_an_sdk_that_modal_no_longer_serves(harness: ModalHarness) -> None:
    harness.cloud.too_old = True
    with pytest.raises(Rejected) as caught:
        harness.provider().launch(new_launch(harness.configuration("lines", {})))
    assert "pip install --upgrade" in (caught.value.remedy or "")


# -- rights, quota, links


@pytest.mark.parametrize("gpu", [None, "T4"])
def test_no_call_is_made_that_is_not_declared(harness: ModalHarness, gpu: str | None) -> None:
    harness.cloud.allowed = CALLS
    harness.cloud.service.add_secret("db", {"A": "1"})
    configuration = {**harness.configuration("lines", {}), "secrets": ["db"], **({"gpu": gpu} if gpu else {})}
    provider = harness.provider()
    launch = new_launch(configuration)
    provider.launch(launch)
    after_the_end(harness, launch)
    assert provider.logs(watch(launch), 3) == ["one", "two", "three"]
    assert provider.output_since(watch(launch), 0)[0]
    assert provider.list_attempts(launch.installation_id, configuration)
    assert provider.quota(configuration)
    provider.stop(watch(launch), 0)
    provider.cleanup(watch(launch))
    assert provider.status([watch(launch)])[launch.attempt_id].phase == "gone"
    assert not [each for each in provider.check(configuration) if each.verdict == "failed"]


def test_every_declared_call_is_one_that_the_local_modal_knows(harness: ModalHarness) -> None:
    assert [name for name in CALLS if not harness.cloud.service.method(name)] == []


def test_pools_of_one_workspace_share_their_quota(harness: ModalHarness) -> None:
    provider = harness.provider()
    one = provider.quota({"modal_credentials": CREDENTIALS})
    two = provider.quota({"modal_credentials": CREDENTIALS, "app_name": "other", "environment_name": "dev"})
    assert one is not None
    assert two is not None
    assert one == two
    assert (one.rate, one.burst) == (5, 5)
    assert one.key
    assert len(harness.journal.calls("TokenInfoGet")) == 1


def test_a_quota_that_cannot_be_asked_about_is_kept_all_the_same(harness: ModalHarness) -> None:
    harness.mischief.order("*", "break", times=99)
    quota = harness.provider().quota({"modal_credentials": CREDENTIALS})
    assert quota is not None
    assert (quota.rate, quota.key) == (5, None)
    assert harness.provider().quota({"app_name": "not a name"}) == quota


def test_whoever_keeps_to_the_quota_is_never_refused(harness: ModalHarness) -> None:
    harness.cloud.creates_per_second = 5
    provider = harness.provider()
    for _ in range(5):
        provider.launch(new_launch(harness.configuration("lines", {})))
    with pytest.raises(Throttled):
        provider.launch(new_launch(harness.configuration("lines", {})))


def test_links(harness: ModalHarness) -> None:
    provider = harness.provider()
    launch = new_launch(harness.configuration("lines", {}))
    handle = provider.launch(launch)
    found = provider.links(watch(launch, handle))
    assert found["run"] == f"https://modal.com/id/{handle.partition('/')[2]}"
    assert set(found) == {"run", "logs", "quota"}
    assert set(provider.links(watch(launch))) == {"quota"}


# -- nothing left open


def test_secrets_of_every_kind_of_call_stay_hidden(harness: ModalHarness) -> None:
    """The token, the environment's secrets and the nonce: nowhere but in the fields made for them."""
    provider = harness.provider()
    for gpu in ({}, {"gpu": "T4"}):
        env = {"DB_PASSWORD": "hunter2-hunter2", "SKYLIFT_NONCE": "nonce-nonce-nonce"}
        configuration = {**harness.configuration("lines", env), "modal_credentials": CREDENTIALS, **gpu}
        launch = replace(new_launch(configuration), secrets=frozenset(["hunter2-hunter2", TOKEN_SECRET]))
        provider.launch(launch)
        after_the_end(harness, launch)
        provider.check(configuration)
        provider.cleanup(watch(launch))
    shown = harness.journal.shown()
    assert not [each for each in (TOKEN_SECRET, "hunter2-hunter2", "nonce-nonce-nonce") if each in shown]
    hidden = [each.secret_fields for each in harness.journal.calls() if each.secret_fields]
    assert "nonce-nonce-nonce" in str(hidden)


def test_connections_close_without_a_trace(harness: ModalHarness) -> None:
    harness.provider().launch(new_launch(harness.configuration("lines", {})))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        connection.close_connections()
        connection.close_connections()
    launch = new_launch(harness.configuration("lines", {}))
    harness.provider().launch(launch)
    assert after_the_end(harness, launch).exit_code == 0, "what is asked for later is connected anew"


def test_an_image_that_is_not_there_is_rejected_with_modals_words(harness: ModalHarness) -> None:
    launch = new_launch({**harness.configuration("lines", {}), "image": f"registry.local/{MISSING_IMAGE}:2"})
    with pytest.raises(Rejected) as caught:
        harness.provider().launch(launch)
    assert "manifest unknown" in str(caught.value)
