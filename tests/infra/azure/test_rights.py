"""A dispatcher with the provisioned rights can do all that the provider does; none of them is there for nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from skylift.provider import ProviderError
from skylift_container_instance import ContainerInstanceProvider
from skylift_container_instance.permissions import PERMISSIONS
from tests.infra.azure.subscription import Pools
from tests.providers.contract import new_launch, wait_for, watch

USED = sorted(each.action for each in PERMISSIONS if each.use in ("runs", "identities"))
REFUSED = ("AuthorizationFailed", "LinkedAuthorizationFailed")


@pytest.fixture
def configuration(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Of a run in a new pool, pushed by its managed identity."""
    handover = pools.apply()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{pools.cloud.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    variables = {name: value for name, value in handover.variables.items() if name != "location"}  # the group's own
    credentials = {"aci_credentials": dict(handover.block_data)}
    return {**variables, **credentials, "image": "python:3.13-slim", "command": ["echo", "hello"], "env": {}}


def live(configuration: dict[str, Any]) -> None:
    provider = ContainerInstanceProvider()
    launch = new_launch(configuration)
    provider.launch(launch)
    wait_for(lambda: provider.status([watch(launch)])[launch.attempt_id].phase, lambda phase: phase == "ended", 10)
    provider.logs(watch(launch), 3)
    provider.output_since(watch(launch), 0)
    provider.list_attempts(launch.installation_id, configuration)
    provider.stop(watch(launch), 0)
    provider.cleanup(watch(launch))


def refusals(pools: Pools) -> dict[str, int]:
    operations = {call for each in PERMISSIONS for call in each.calls}
    counted = {each: sum(pools.cloud.journal.count(each, code) for code in REFUSED) for each in operations}
    return {operation: number for operation, number in counted.items() if number}


def test_they_are_enough(pools: Pools, configuration: dict[str, Any]) -> None:
    live(configuration)
    assert refusals(pools) == {}
    findings = {each.what: each.verdict for each in ContainerInstanceProvider().check(configuration)}
    assert findings["Permissions"] == findings["Resource group"] == findings["Identity"] == "ok"
    assert "failed" not in findings.values()
    assert set(refusals(pools)) == {"Location_ListUsage"}, "which Azure only tells to whoever may read a subscription"


@pytest.mark.parametrize("missing", USED)
def test_without_any_one_of_them_something_is_refused(
    pools: Pools, configuration: dict[str, Any], missing: str
) -> None:
    (role,) = pools.cloud.everything()["roles"]
    (permission,) = pools.cloud.things[role.lower()]["properties"]["permissions"]
    permission["actions"] = [each for each in permission["actions"] if each != missing]
    with suppress(ProviderError, AssertionError):
        live(configuration)
    needing = {call for each in PERMISSIONS if each.action == missing for call in each.calls}
    assert refusals(pools).keys() & needing
    assert pools.changes()["role"] == ("update", ("what it allows",))


def test_nothing_is_allowed_beside_the_group(pools: Pools, configuration: dict[str, Any]) -> None:
    pools.cloud.add_group("theirs")
    with pytest.raises(ProviderError) as caught:
        live({**configuration, "resource_group_name": "theirs"})
    assert "does not have authorization" in str(caught.value)
