"""A container instance pool's infrastructure on a local Azure: made, kept, mended, and removed, whatever fails on the
way."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from skylift.provisioner import ProvisionError
from skylift_container_instance.permissions import PERMISSIONS
from skylift_infra.azure import PROVISIONER
from skylift_infra.azure.provisioner import registry_name
from skylift_infra.names import stem
from tests.clouds.mischief import Kind
from tests.infra.azure.subscription import GROUP, POOL, SCOPE, STEM, TRUSTED, Pools

SUBNET = f"{SCOPE}/resourceGroups/network/providers/Microsoft.Network/virtualNetworks/v/subnets/runs"
WAYS: dict[str, dict[str, Any]] = {
    "identity": {},
    "secret": {"with_secret": True},
    "federated": {"dispatcher": TRUSTED},
    "subnet": {"subnets": [SUBNET]},
}
SPARE = re.compile(r"/usages/read$|^Microsoft\.Network/")
"""Of the subscription, and of pools in subnets."""
REGISTRY = "skyliftnightly131c8c21d155"
PROVIDERS = ("Microsoft.ContainerInstance", "Microsoft.ContainerRegistry", "Microsoft.ManagedIdentity")


def test_the_plan_of_an_empty_subscription(pools: Pools) -> None:
    plan = pools.plan().as_json()
    made = (
        *((f"provider-{each.partition('.')[2].lower()}", "resource provider", each) for each in PROVIDERS),
        ("group", "resource group", STEM),
        ("registry", "container registry", REGISTRY),
        ("pull", "managed identity", f"{STEM}-pull"),
        ("pull-right", "role assignment", f"{STEM}-pull: AcrPull on the registry"),
        ("dispatcher", "managed identity", f"{STEM}-dispatcher"),
        ("role", "role", f"Skylift {STEM}"),
        ("right-0", "role assignment", f"{STEM}-dispatcher: Skylift {STEM} on {STEM}"),
    )
    steps = [{"key": key, "kind": kind, "name": name, "action": "create", "why": []} for key, kind, name in made]
    place = "Azure subscription Local (33333333-3333-3333-3333-333333333333) in eastus"
    assert plan == {"place": place, "changes": 10, "steps": steps}
    assert not any(pools.cloud.everything().values()), "planning only reads"
    with_secret = {step.key for step in pools.plan(with_secret=True).steps}
    assert {"application", "principal", "secret"} < with_secret
    assert "dispatcher" not in with_secret


def prepare(pools: Pools) -> None:
    """Somebody else's network."""
    pools.cloud.add_group("network")


@pytest.mark.parametrize("way", WAYS)
def test_made_once_and_removed_without_a_trace(pools: Pools, way: str) -> None:
    prepare(pools)
    answers, before = WAYS[way], pools.cloud.everything()
    handover = pools.apply(**answers)
    known = replace(POOL, block=handover.block_data)
    made = pools.cloud.everything()
    assert pools.changes(known, **answers) == {}
    pools.apply(known, **answers)
    assert pools.cloud.everything() == made
    assert str(handover.block_data.get("client_secret")) not in json.dumps(pools.record)
    pools.destroy(known, **answers)
    assert pools.cloud.everything() == before
    assert pools.record["resources"] == {}
    assert pools.cloud.registered == set(PROVIDERS), "resource providers stay, for others may use them by now"


def test_what_the_pool_is_told(pools: Pools) -> None:
    handover = pools.apply()
    pull = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{STEM}-pull"
    assert handover.variables == {
        "subscription_id": SCOPE.rpartition("/")[2],
        "resource_group_name": STEM,
        "location": "eastus",
        "image_registry": {"registry_url": f"{REGISTRY}.azurecr.io", "identity": pull},
        "identities": [pull],
    }
    assert handover.registry == f"{REGISTRY}.azurecr.io"
    assert set(handover.block_data) == {"client_id", "tenant_id"}, "no key"
    from skylift_container_instance import PROVIDER

    template = PROVIDER.base_job_template()["variables"]["properties"]
    assert {*handover.variables, handover.block_variable} <= template.keys()


def test_subnets_are_told_and_their_right_is_on_them_alone(pools: Pools) -> None:
    prepare(pools)
    handover = pools.apply(subnets=[SUBNET])
    assert handover.variables["subnet_ids"] == [SUBNET]
    scopes = {
        each.partition("/providers/Microsoft.Authorization")[0] for each in pools.cloud.everything()["assignments"]
    }
    assert {GROUP, SUBNET} < scopes
    assert not any(each.endswith("/resourceGroups/network") for each in scopes)


def test_the_dispatcher_may_do_what_its_provider_declares_and_nothing_else(pools: Pools) -> None:
    handover = pools.apply()
    granted = pools.cloud.rights_of(handover.block_data["client_id"])
    declared = {each.action for each in PERMISSIONS}
    assert granted == {GROUP.lower(): sorted(each for each in declared if not SPARE.search(each))}
    pull = next(each for each in pools.cloud.identities() if each["clientId"] != handover.block_data["client_id"])
    (scope,) = pools.cloud.rights_of(pull["clientId"])
    assert scope.endswith(f"/registries/{REGISTRY}")


def test_a_client_secret_is_told_once_and_is_renewed_in_time(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pools.apply(with_secret=True).block_data
    assert set(first) == {"client_id", "tenant_id", "client_secret", "client_secret_id"}
    known = replace(POOL, block={**first, "client_secret": "********"})
    again = pools.apply(known, with_secret=True)
    assert again.block_keeps_secrets
    assert "client_secret" not in again.block_data
    lost = pools.apply(POOL, with_secret=True).block_data
    assert lost["client_secret_id"] != first["client_secret_id"]
    assert pools.cloud.everything()["secrets"] == [lost["client_secret_id"]]
    from skylift_infra.azure import identities

    late = datetime.now(UTC) + timedelta(days=340)
    monkeypatch.setattr(identities, "now", lambda: late)
    known = replace(POOL, block=lost)
    (told,) = pools.changes(known, with_secret=True).values()
    assert told[0] == "update"
    assert told[1][0].startswith("it ends on ")
    renewed = pools.apply(known, with_secret=True).block_data
    assert renewed["client_secret"] != lost["client_secret"]
    assert pools.cloud.everything()["secrets"] == [renewed["client_secret_id"]]


def test_from_a_secret_to_an_identity_and_back(pools: Pools) -> None:
    held = pools.apply(with_secret=True).block_data
    known = replace(POOL, block=held)
    removed = {key for key, (action, _) in pools.changes(known).items() if action == "delete"}
    assert removed == {"application", "principal", "secret", "former-right-0"}
    pools.apply(known)
    left = pools.cloud.everything()
    assert not left["applications"] + left["secrets"] + left["deleted applications"]
    assert len(left["assignments"]) == 2
    assert pools.changes() == {}
    assert {key for key, each in pools.changes(with_secret=True).items() if each[0] == "delete"} == {
        "dispatcher",
        "former-right-0",
    }
    pools.apply(with_secret=True)
    assert len(pools.cloud.everything()["identities"]) == 1
    pools.apply(dispatcher=TRUSTED)
    assert pools.changes(dispatcher="")["trust"][0] == "delete"
    pools.destroy(replace(POOL, block=held))
    assert not any(pools.cloud.everything().values())


def test_what_was_changed_by_hand_is_told_and_mended(pools: Pools) -> None:
    pools.apply(dispatcher=TRUSTED)
    cloud = pools.cloud
    cloud.things[cloud.everything()["roles"][0].lower()]["properties"]["permissions"] = [{"actions": ["*"]}]
    cloud.things[f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/{REGISTRY}".lower()]["properties"][
        "adminUserEnabled"
    ] = True
    (trust,) = cloud.everything()["trusts"]
    cloud.things[trust.lower()]["properties"]["subject"] = "repo:somebody/else"
    (mine,) = [each for each in cloud.everything()["assignments"] if "registries" not in each]
    del cloud.things[mine.lower()]
    told = pools.changes(dispatcher=TRUSTED)
    assert told == {
        "role": ("update", ("what it allows",)),
        "registry": ("update", ("it has an admin user with a password",)),
        "trust": ("update", ("whom it trusts",)),
        "right-0": ("create", ()),
    }
    pools.apply(dispatcher=TRUSTED)
    assert pools.changes(dispatcher=TRUSTED) == {}


def test_an_identity_that_was_made_anew_gets_its_rights_back(pools: Pools) -> None:
    pools.apply()
    identity = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{STEM}-dispatcher"
    del pools.cloud.things[identity.lower()]
    assert pools.changes() == {"dispatcher": ("create", ())}
    handover = pools.apply()
    assert pools.cloud.rights_of(handover.block_data["client_id"])
    assert len(pools.cloud.everything()["assignments"]) == 2
    pools.destroy()
    assert not any(pools.cloud.everything().values())


def test_a_group_that_somebody_has_removed(pools: Pools) -> None:
    """The role outlives it."""
    pools.apply()
    pools.cloud.remove_group(STEM)
    assert pools.cloud.everything()["roles"]
    pools.destroy()
    assert not any(pools.cloud.everything().values())
    pools.apply()
    pools.cloud.remove_group(STEM)
    pools.apply()
    assert pools.changes() == {}


def test_what_is_somebody_elses_is_used_or_refused_and_stays(pools: Pools) -> None:
    cloud = pools.cloud
    cloud.add_group("theirs")
    cloud.add_registry("theirs", "images")
    before = cloud.everything()
    answers: dict[str, Any] = {"resource_group": "theirs", "registry": "images"}
    adopted = {step.key for step in pools.plan(**answers).steps if step.action == "adopt"}
    assert adopted == {"group", "registry"}
    assert pools.apply(**answers).registry == "images.azurecr.io"
    pools.destroy(**answers)
    assert cloud.everything() == before
    by_id = f"{SCOPE}/resourceGroups/theirs/providers/Microsoft.ContainerRegistry/registries/images"
    handover = pools.apply(registry=by_id)
    assert handover.registry == "images.azurecr.io"
    pools.destroy(registry=by_id)
    assert cloud.everything() == before


def test_a_pool_does_not_move_and_leave_things_behind(pools: Pools) -> None:
    pools.apply()
    with pytest.raises(ProvisionError, match=f"is in '{STEM}'") as caught:
        pools.plan(resource_group="elsewhere")
    assert "destroy-infra nightly" in str(caught.value.remedy)
    pools.destroy()
    pools.apply(resource_group="elsewhere")


def test_a_group_is_not_removed_with_what_others_put_there(pools: Pools) -> None:
    pools.apply()
    pools.cloud.add_registry(STEM, "somebodys")
    with pytest.raises(ProvisionError, match="somebodys") as caught:
        pools.destroy()
    assert caught.value.remedy
    del pools.cloud.things[f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/somebodys".lower()]
    pools.destroy()
    assert not any(pools.cloud.everything().values())


def test_two_pools_share_nothing(pools: Pools) -> None:
    pools.apply()
    one = pools.cloud.everything()
    other, second = replace(POOL, name="hourly"), Pools(pools.cloud)
    second.apply(other)
    second.destroy(other)
    assert pools.cloud.everything() == one


def test_names_fit(pools: Pools) -> None:
    for name in ("a", "Ünïcode ☃ with / and spaces and much more than anybody needs", "x" * 200):
        pool = replace(POOL, name=name)
        assert len(stem(pool)) <= 41
        pools.apply(pool)
        assert len(registry_name(pool)) <= 50
        pools.destroy(pool)


def test_azure_may_take_its_time(pools: Pools) -> None:
    pools.cloud.lag, pools.cloud.strangers, pools.cloud.directory.lag = 2, 3, 2
    pools.apply(with_secret=True)
    assert pools.cloud.journal.count("RoleAssignments_Create", "PrincipalNotFound") == 6
    pools.destroy(with_secret=True)
    assert not any(pools.cloud.everything().values())


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"subscription": "44444444-4444-4444-4444-444444444444"}, "SubscriptionNotFound"),
        ({"registry": "not-a-name"}, "'not-a-name' is no name of a container registry"),
        ({"subnets": ["runs"]}, "'runs' is no id of a subnet"),
        ({"dispatcher": "somebody"}, "'somebody' does not say who"),
        ({"dispatcher": TRUSTED, "with_secret": True}, "needs no trust"),
    ],
)
def test_wrong_answers_are_told_before_anything_is_made(pools: Pools, answers: dict[str, Any], words: str) -> None:
    with pytest.raises(ProvisionError, match=words) as caught:
        pools.apply(**answers)
    assert caught.value.remedy
    assert not any(pools.cloud.everything().values())


def test_a_missing_permission_is_named(pools: Pools) -> None:
    pools.cloud.denied = {"RoleDefinitions_CreateOrUpdate"}
    with pytest.raises(ProvisionError, match="Your account may not define the role") as caught:
        pools.apply()
    assert "Microsoft.Authorization/RoleDefinitions_CreateOrUpdate/action" in str(caught.value.remedy)
    assert "Role Based Access Control Administrator" in str(caught.value.remedy)
    pools.cloud.denied = set()
    pools.apply()


def test_who_may_not_look_into_the_bin_can_have_a_secret_all_the_same(pools: Pools) -> None:
    pools.cloud.directory.denied = {"DeletedItems_List"}
    pools.apply(with_secret=True)
    pools.cloud.directory.denied = {"Application_AddPassword"}
    with pytest.raises(ProvisionError, match="may not make a secret") as caught:
        pools.apply(POOL, with_secret=True, resource_group="")
    assert "register applications" in str(caught.value.remedy)


def test_who_may_not_look_at_resource_providers_is_let_through(pools: Pools) -> None:
    pools.cloud.registered = set(PROVIDERS)
    pools.cloud.denied = {"Providers_Get"}
    pools.apply()
    assert pools.changes() == {}


def test_a_registry_name_that_is_taken_elsewhere(pools: Pools) -> None:
    with pytest.raises(ProvisionError, match="already in use"):
        pools.apply(registry="taken")


def test_nobody_is_signed_in(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong")
    with pytest.raises(ProvisionError, match="Nobody is signed in") as caught:
        pools.plan()
    assert "az login" in str(caught.value.remedy)


def test_subscriptions_are_offered(pools: Pools) -> None:
    choices = PROVISIONER.questions[0].choices
    assert choices
    assert list(choices({})) == [(SCOPE.rpartition("/")[2], "Local")]


# -- failures ---------------------------------------------------------------------------------------------------------


def failing_everywhere(pools: Pools, kind: Kind, answers: dict[str, Any], *, reads: bool) -> int:
    """Each call fails once; then the next run completes, nothing is there twice, and nothing is left in the end. Says
    how many calls failed."""
    prepare(pools)
    cloud, empty = pools.cloud, pools.cloud.everything()
    handover = pools.apply(**answers)
    cloud.registered.clear()
    expected = counted(pools)
    pools.destroy(replace(POOL, block=handover.block_data), **answers)
    failed = 0
    for work in (pools.apply, pools.destroy):
        at = 0
        while True:
            cloud.registered.clear()
            if work == pools.destroy:
                pools.apply(**answers)
            calls = len(cloud.journal.calls())
            order = pools.failing(lambda work=work: work(**answers), at, kind, reads=reads)  # type: ignore[misc]
            if not order:
                break
            where = f"{work.__name__}, {kind} at {cloud.journal.calls()[calls + at].operation if reads else at}"
            if work == pools.apply:
                assert counted(pools) == expected, where
                pools.destroy(**answers)
            assert cloud.everything() == empty, where
            at += 1
        pools.destroy(**answers)
        assert cloud.everything() == empty
        failed += at
    return failed


def counted(pools: Pools) -> dict[str, int]:
    return {kind: len(names) for kind, names in pools.cloud.everything().items()}


@pytest.mark.parametrize("kind", ["break", "lose_answer"])
def test_every_change_may_fail(pools: Pools, kind: Kind) -> None:
    assert failing_everywhere(pools, kind, {}, reads=False) > 15


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["break", "lose_answer"])
@pytest.mark.parametrize("way", WAYS)
def test_every_call_may_fail(pools: Pools, way: str, kind: Kind) -> None:
    assert failing_everywhere(pools, kind, WAYS[way], reads=True) > 50
