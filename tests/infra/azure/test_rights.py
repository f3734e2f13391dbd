"""A dispatcher with the provisioned rights can do all that the provider does; without any one of them something fails,
and names it. Rights are read from the role that was made, so that none can be in it which nothing here uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from skylift.provider import Observation, ProviderError
from skylift_container_instance import ContainerInstanceProvider
from skylift_infra.azure.rights import OF_THE_SUBSCRIPTION, actions
from tests.infra.azure.subscription import SCOPE, Pools
from tests.infra.complaints import Complaints
from tests.providers.clearing import cleared
from tests.providers.contract import new_launch, wait_for, watch

SUBNET = f"{SCOPE}/resourceGroups/network/providers/Microsoft.Network/virtualNetworks/v/subnets/runs"
DELEGATED = {
    "properties": {"delegations": [{"properties": {"serviceName": "Microsoft.ContainerInstance/containerGroups"}}]}
}
USUAL = ("Quota", "Image")
"""What the check does not know in any case: quotas are told to whoever may read the subscription."""


class Tour(Complaints):
    """All that the provider does in its life, pushed by the pool's managed identity."""

    def __init__(self, pools: Pools, **answers: Any) -> None:
        super().__init__("skylift_container_instance")
        self.provider = ContainerInstanceProvider()
        handover = pools.apply(**answers)
        variables = {name: value for name, value in handover.variables.items() if name != "location"}
        self.configuration: dict[str, Any] = {  # the location is the group's own
            **variables,
            "aci_credentials": dict(handover.block_data),
            "image": "python:3.13-slim",
            "command": ["echo", "hello"],
            "env": {},
        }

    def take(self) -> dict[str, str]:
        """The complaints."""
        launch = new_launch(self.configuration)
        self.do("launch", lambda: self.provider.launch(launch))

        def look() -> Observation | None:
            return (self.do("status", lambda: self.provider.status([watch(launch)])) or {}).get(launch.attempt_id)

        self.observed("launch", wait_for(look, lambda seen: seen is None or seen.phase in ("ended", "gone"), 10))
        self.do("logs", lambda: self.provider.logs(watch(launch), 3))
        self.do("output_since", lambda: self.provider.output_since(watch(launch), 0))
        self.do("list_attempts", lambda: self.provider.list_attempts(launch.installation_id, self.configuration))
        self.do("stop", lambda: self.provider.stop(watch(launch), 0))
        self.do("cleanup", lambda: self.provider.cleanup(watch(launch)))
        self.check(self.provider, self.configuration, *USUAL)
        return self.told


@pytest.fixture
def signed_in(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pools]:
    """As a machine that was given the pool's identity, beside somebody else's network."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{pools.cloud.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    pools.cloud.add_group("network")
    pools.cloud.resources[SUBNET.lower()] = DELEGATED
    with cleared(pools.cloud, ContainerInstanceProvider, lambda: _allow_all(pools)):
        yield pools


def _allow_all(pools: Pools) -> None:
    """As before a right was taken away."""
    made(pools)["actions"][:] = actions(subnets=True)


def made(pools: Pools) -> dict[str, list[str]]:
    """The permissions of the role that was made."""
    (role,) = pools.cloud.everything()["roles"]
    found: dict[str, list[str]]
    (found,) = pools.cloud.things[role.lower()]["properties"]["permissions"]
    return found


@pytest.mark.parametrize("answers", [{}, {"subnets": [SUBNET]}], ids=["Azure's own network", "a subnet"])
def test_they_are_enough(signed_in: Pools, answers: dict[str, Any]) -> None:
    assert Tour(signed_in, **answers).take() == {}
    assert made(signed_in)["actions"] == actions(subnets=bool(answers))


@pytest.mark.parametrize("missing", actions(subnets=True))
def test_without_any_one_of_them_something_fails(signed_in: Pools, missing: str) -> None:
    tour = Tour(signed_in, subnets=[SUBNET])
    assert made(signed_in)["actions"] == actions(subnets=True), "these are the rights that were made"
    made(signed_in)["actions"].remove(missing)
    tour.take()
    assert tour.name(missing, of_rights=missing.endswith("/permissions/read")), tour.told
    assert signed_in.changes(subnets=[SUBNET])["role"] == ("update", ("what it allows",))


def test_a_right_that_would_have_no_effect_is_not_granted(signed_in: Pools) -> None:
    tour = Tour(signed_in)
    found = {each.what: each for each in tour.provider.check(tour.configuration)}
    assert OF_THE_SUBSCRIPTION in found["Quota"].message
    made(signed_in)["actions"].append(OF_THE_SUBSCRIPTION)
    found = {each.what: each for each in tour.provider.check(tour.configuration)}
    assert found["Quota"].verdict == "unknown"


def test_nothing_is_allowed_beside_the_group(signed_in: Pools) -> None:
    signed_in.cloud.add_group("theirs")
    tour = Tour(signed_in)
    elsewhere = new_launch({**tour.configuration, "resource_group_name": "theirs"})
    with pytest.raises(ProviderError, match="does not have authorization"):
        tour.provider.launch(elsewhere)
