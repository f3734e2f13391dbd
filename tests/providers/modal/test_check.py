"""What `work-pool check` says of a Modal pool."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from skylift_modal import client
from skylift_modal.client import Identity
from tests.clouds.modal_service import WORKSPACE
from tests.providers.modal.support import ModalHarness, local_modal


@pytest.fixture
def harness() -> Iterator[ModalHarness]:
    with local_modal() as cloud:
        yield ModalHarness(cloud)


def verdicts(harness: ModalHarness, **configuration: Any) -> dict[str, tuple[str, str]]:
    base = {"image": "registry.local/flows:1", **configuration}
    return {each.what: (each.verdict, f"{each.message} {each.remedy}") for each in harness.provider().check(base)}


def test_a_pool_that_is_ready(harness: ModalHarness) -> None:
    harness.cloud.service.add_secret("pool", {"SKYLIFT_POOL_SECRET": "x"})
    harness.cloud.service.add_volume("numbers")
    as_rendered = {"command": "prefect flow-run execute", "env": {"LEVEL": None, "PORT": 1}, "labels": None}
    found = verdicts(harness, pool_secret="pool", volumes={"/data": "numbers"}, **as_rendered)
    assert {verdict for verdict, _ in found.values()} == {"ok", "unknown"}
    assert WORKSPACE in found["Identity"][1]
    assert set(found) == {"Identity", "App", "Image", "Pool secret", "Volume", "Network", "Quota"}
    assert {each.operation for each in harness.journal.calls()} <= {
        "TokenInfoGet",
        "AppGetOrCreate",
        "SecretGetOrCreate",
        "VolumeGetOrCreate",
    }
    assert not harness.cloud.service.apps, "looking makes nothing"


@pytest.mark.parametrize(
    ("configuration", "what", "verdict"),
    [
        ({"memory": -1}, "Configuration", "failed"),
        ({"modal_credentials": {"token_id": "ak-no", "token_secret": "as-no"}}, "Identity", "failed"),
        ({"environment_name": "nowhere"}, "App", "failed"),
        ({"registry_secret": "nowhere"}, "Image", "failed"),
        ({"image": "prefecthq/prefect:latest"}, "Image", "warning"),
        ({"image": "registry.local:5000/flows"}, "Image", "warning"),
        ({"secrets": ["nowhere"]}, "Secret", "failed"),
        ({"volumes": {"/data": "nowhere"}}, "Volume", "failed"),
        ({"pool_secret": "empty"}, "Pool secret", "failed"),
        ({"block_network": True}, "Network", "warning"),
        ({"outbound_domain_allowlist": ["example.org"]}, "Network", "warning"),
    ],
)
def test_a_pool_that_is_not(harness: ModalHarness, configuration: dict[str, Any], what: str, verdict: str) -> None:
    harness.cloud.service.add_secret("empty", {"SOMETHING": "else"})
    found = verdicts(harness, **configuration)
    assert found[what][0] == verdict
    assert "None" not in found[what][1], "it says what to do"


def test_a_check_never_raises(harness: ModalHarness) -> None:
    harness.mischief.order("*", "break", times=99)
    assert verdicts(harness)["Identity"][0] == "failed"
    assert harness.provider().check({})


def test_a_token_that_ends_soon(harness: ModalHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = datetime.now(UTC) + timedelta(days=2)
    monkeypatch.setattr(client.Modal, "identify", lambda self: Identity("ac-1", "here", "su", soon))
    assert verdicts(harness)["Identity"][0] == "warning"
