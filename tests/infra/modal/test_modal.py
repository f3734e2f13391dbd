"""A Modal pool's infrastructure on a local Modal: made, kept, mended, and removed, whatever fails on the way."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from skylift.confidential import POOL_SECRET
from skylift.provisioner import ProvisionError
from skylift_infra.modal import account
from skylift_infra.modal.provisioner import stem
from tests.clouds.mischief import Kind
from tests.clouds.modal_cloud import TOKEN_ID, TOKEN_SECRET
from tests.clouds.modal_infra import SERVICE, Owner
from tests.infra.modal.workspace import POOL, STEM, Pools

WAYS: dict[str, dict[str, Any]] = {
    "own": {},
    "named": {"environment": "flows", "app": "nightly"},
    "existing environment": {"environment": "main"},
}
HELD = replace(POOL, block={"token_id": TOKEN_ID, "token_secret": "********"})


def test_the_plan_of_a_workspace_with_nothing_in_it(pools: Pools) -> None:
    before = pools.cloud.everything()
    plan = pools.plan().as_json()
    made = (("environment", "environment", STEM), ("app", "App", STEM), ("secret", "secret", f"{STEM}-admission"))
    steps = [{"key": key, "kind": kind, "name": name, "action": "create", "why": []} for key, kind, name in made]
    assert plan == {"place": "Modal workspace local-workspace", "changes": 3, "steps": steps}
    assert pools.cloud.everything() == before, "planning only reads"


@pytest.mark.parametrize("way", WAYS)
def test_made_once_and_removed_without_a_trace(pools: Pools, way: str) -> None:
    answers, before = WAYS[way], pools.cloud.everything()
    handover = pools.apply(**answers)
    made = pools.cloud.everything()
    assert pools.changes(HELD, **answers) == {}
    again = pools.apply(HELD, **answers)
    assert pools.cloud.everything() == made
    assert again.admission_secret_hash == handover.admission_secret_hash
    assert TOKEN_SECRET not in json.dumps(pools.record)
    pools.destroy(HELD, **answers)
    assert pools.cloud.everything() == before
    assert pools.record["resources"] == {}


def test_what_the_pool_is_told(pools: Pools) -> None:
    handover = pools.apply()
    assert handover.variables == {"environment_name": STEM, "app_name": STEM, "pool_secret": f"{STEM}-admission"}
    (secret,) = pools.cloud.service.named_secrets.values()
    value = pools.cloud.service.secrets[secret][POOL_SECRET]
    assert handover.admission_secret_hash == hashlib.sha256(value.encode()).hexdigest()
    assert value not in json.dumps(pools.record) + pools.cloud.journal.shown()
    from skylift_modal import PROVIDER

    properties = PROVIDER.base_job_template()["variables"]["properties"]
    assert {*handover.variables, handover.block_variable} <= properties.keys()


def test_where_names_of_keys_are_not_told_the_secret_is_made_anew(pools: Pools) -> None:
    pools.cloud.service.shows_keys = False
    first = pools.apply().admission_secret_hash
    assert pools.changes() == {"secret": ("update", ("nobody knows what it holds",))}
    second = pools.apply().admission_secret_hash
    assert second
    assert second != first


def test_what_was_removed_by_hand_is_told_and_made_again(pools: Pools) -> None:
    pools.apply()
    pools.cloud.service.named_secrets.clear()
    pools.cloud.service.apps.clear()
    assert pools.changes() == {"app": ("create", ()), "secret": ("create", ())}
    pools.apply()
    assert pools.changes() == {}
    pools.cloud.service.environments.discard(STEM)
    assert set(pools.changes()) == {"environment", "app", "secret"}
    pools.destroy()


def test_what_is_somebody_elses_is_used_and_stays(pools: Pools) -> None:
    pools.cloud.service.apps["main", "theirs"] = "ap-theirs"
    before = pools.cloud.everything()
    answers = {"environment": "main", "app": "theirs"}
    adopted = {step.key for step in pools.plan(POOL, **answers).steps if step.action == "adopt"}
    assert adopted == {"environment", "app"}
    pools.apply(POOL, **answers)
    pools.destroy(POOL, **answers)
    assert pools.cloud.everything() == before


def test_a_pool_does_not_move_and_leave_things_behind(pools: Pools) -> None:
    pools.apply()
    with pytest.raises(ProvisionError, match=f"is in '{STEM}'"):
        pools.plan(POOL, environment="main")


def test_an_environment_is_not_removed_with_what_others_put_there(pools: Pools) -> None:
    pools.apply()
    pools.cloud.service.apps[STEM, "theirs"] = "ap-theirs"
    pools.cloud.service.add_volume("data", STEM)
    pools.cloud.service.add_secret("password", {"x": "y"}, STEM)
    with pytest.raises(ProvisionError, match="App theirs, secret password, volume data") as caught:
        pools.destroy()
    assert caught.value.remedy
    assert STEM in pools.cloud.service.environments


def test_two_pools_share_nothing(pools: Pools) -> None:
    pools.apply()
    one = pools.cloud.everything()
    other = replace(POOL, name="hourly")
    second = Pools(pools.cloud)
    second.apply(other)
    second.destroy(other)
    assert pools.cloud.everything() == one


def test_names_fit(pools: Pools) -> None:
    for name in ("a", "Ünïcode ☃ with / and much more than anybody needs", "x" * 200):
        assert len(f"{stem(replace(POOL, name=name))}-admission") <= 64
    for flag in ("environment", "app"):
        with pytest.raises(ProvisionError, match="'a b'") as caught:
            pools.plan(POOL, **{flag: "a b"})
        assert f"--{flag}" in str(caught.value.remedy)


# -- tokens -----------------------------------------------------------------------------------------------------------


def said(pools: Pools, **answers: Any) -> str:
    infrastructure = pools.open(POOL, **answers)
    infrastructure.plan()
    return "\n".join(infrastructure.pool_changes)


def test_what_a_token_may_is_said_before_it_is_given_away(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    words = said(pools)
    assert f"the token {TOKEN_ID} of your own profile with its secret, sealed" in words
    assert "may do what ada may in workspace local-workspace, in all environments" in words
    pools.cloud.owners[TOKEN_ID] = Owner(
        "pusher", is_service_user=True, expires=int(datetime(2030, 1, 2, tzinfo=UTC).timestamp())
    )
    words = said(pools)
    assert "the service user pusher may in workspace local-workspace: its roles in environments limit that" in words
    assert "until 2030-01-02" in words
    assert not [each for each in pools.apply().notes if "person's token" in each]


def test_the_token_of_the_local_profile(pools: Pools, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import modal.config

    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name)
    with pytest.raises(ProvisionError, match="Nobody is signed in to Modal") as caught:
        pools.plan()
    assert "modal token new" in str(caught.value.remedy)
    profile = {"token_id": TOKEN_ID, "token_secret": TOKEN_SECRET}
    monkeypatch.setattr(modal.config, "_user_config", {modal.config._profile: profile})
    assert pools.apply().block_data == profile


def test_a_service_users_token_is_used_where_it_may_be(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its secret is asked for where somebody sits at a terminal; with MODAL_TOKEN_ID beside it, the one in the
    environment is not its."""
    given = {"token_id": SERVICE[0]}
    with pytest.raises(ProvisionError, match=f"secret of the token {SERVICE[0]} is not known"):
        pools.plan(POOL, **given)
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return SERVICE[1]

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(account, "getpass", answer)
    with pytest.raises(ProvisionError, match="cannot use the environment") as caught:
        pools.apply(POOL, **given)
    assert asked == [f"Secret of the Modal token {SERVICE[0]}: "]
    assert "Make pusher contributor there" in str(caught.value.remedy)
    pools.cloud.owners[SERVICE[0]].environments = {STEM}
    handover = pools.apply(POOL, **given)
    assert handover.block_data == {"token_id": SERVICE[0], "token_secret": SERVICE[1]}
    assert not [each for each in handover.notes if "person's token" in each]
    held = replace(POOL, block={"token_id": SERVICE[0], "token_secret": "********"})
    asked.clear()
    again = pools.apply(held)
    assert again.block_keeps_secrets
    assert again.block_data == {"token_id": SERVICE[0]}
    assert asked == [], "the block has it"


def test_with_a_service_users_token_alone(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODAL_TOKEN_ID")
    monkeypatch.setenv("MODAL_TOKEN_SECRET", SERVICE[1])
    pools.cloud.owners[SERVICE[0]].environments = {"main"}
    with pytest.raises(ProvisionError, match="may not create the environment") as caught:
        pools.apply(POOL, token_id=SERVICE[0])
    assert "--environment" in str(caught.value.remedy)
    pools.records.clear()
    handover = pools.apply(POOL, token_id=SERVICE[0], environment="main")
    assert handover.block_data == {"token_id": SERVICE[0], "token_secret": SERVICE[1]}
    pools.destroy(POOL, token_id=SERVICE[0], environment="main")


def test_tokens_that_are_wrong(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> None:
    pools.cloud.owners[SERVICE[0]] = Owner("pusher", workspace="elsewhere")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(account, "getpass", lambda prompt: SERVICE[1])
    with pytest.raises(ProvisionError, match="belongs to the workspace elsewhere"):
        pools.plan(POOL, token_id=SERVICE[0])
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-wrong")
    with pytest.raises(ProvisionError, match=f"whose token {TOKEN_ID} is") as caught:
        pools.plan()
    assert caught.value.remedy
    assert "as-wrong" not in f"{caught.value} {caught.value.remedy}"


# -- failures ---------------------------------------------------------------------------------------------------------


def counted(pools: Pools) -> dict[str, int]:
    return {kind: len(names) for kind, names in pools.cloud.everything().items()}


@pytest.mark.parametrize("kind", [pytest.param("break", marks=pytest.mark.long), "deny", "lose_answer"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.timeout(300)
def test_every_call_may_fail(pools: Pools, way: str, kind: Kind) -> None:
    """The next run completes, nothing is there twice, and nothing is left in the end."""
    answers, empty = WAYS[way], pools.cloud.everything()
    pools.apply(POOL, **answers)
    expected = counted(pools)
    pools.destroy(POOL, **answers)
    failed = 0
    for work in (pools.apply, pools.destroy):
        at = 0
        while True:
            if work == pools.destroy:
                pools.apply(POOL, **answers)
            if not pools.failing(lambda work=work: work(POOL, **answers), at, kind):  # type: ignore[misc]
                break
            if work == pools.apply:
                assert counted(pools) == expected, at
                assert pools.changes(POOL, **answers) == {}
                pools.destroy(POOL, **answers)
            assert pools.cloud.everything() == empty, at
            at += 1
        pools.destroy(POOL, **answers)
        failed += at
    assert failed > 15
