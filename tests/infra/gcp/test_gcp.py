"""A Cloud Run pool's infrastructure in a local Google Cloud project: made, kept, mended, and removed, whatever fails on
the way."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from skylift.provisioner import ProvisionError
from skylift_infra.gcp import in_force
from tests.clouds.google_project import PERSON, LocalGoogleProject
from tests.infra.gcp.project import POOL, Pools, applied, changes, destroyed, opened, with_block

PROJECT = "central-kit-405415"
STEM = "skylift-nightly-2158d5e3"
RUN, PUSH = (f"{STEM}-{what}@{PROJECT}.iam.gserviceaccount.com" for what in ("run", "push"))
ROLE = f"projects/{PROJECT}/roles/skylift_nightly_2158d5e3"
OBSERVE, INVOKER = "https://observe-1.run.app", f"invoker@{PROJECT}.iam.gserviceaccount.com"
WAYS: dict[str, dict[str, Any]] = {
    "impersonation": {},
    "key": {"with_key": True},
    "events": {"events_to": "ends"},
    "push": {"events_to": f"{OBSERVE}|{INVOKER}"},
    "federation": {"dispatcher": "arn:aws:iam::111122223333:role/service/skylift"},
    "names": {"repository": "images", "service_account": "nightly-runs", "dispatcher": "bob@example.com,group:a@b.c"},
}


def account(email: str) -> str:
    return f"projects/{PROJECT}/serviceAccounts/{email}"


def test_the_plan_of_an_empty_project(cloud: LocalGoogleProject) -> None:
    before = cloud.everything()
    plan = opened().plan().as_json()
    assert cloud.everything() == before
    assert all(call.operation.endswith((".get", ".search", "tokeninfo")) for call in cloud.journal.calls())
    apis = [
        (f"api-{each}", "API", f"{each}.googleapis.com", "adopt" if each == "cloudresourcemanager" else "create")
        for each in (
            "run",
            "artifactregistry",
            "iam",
            "iamcredentials",
            "cloudresourcemanager",
            "secretmanager",
            "logging",
        )
    ]
    runs, pushes, secret = f"{STEM}-run", f"{STEM}-push", f"{STEM}-admission"
    role = ROLE.rpartition("/")[2]
    bound = "IAM binding"
    assert plan == {
        "place": "GCP project central-kit-405415 in region us-central1",
        "changes": 15,
        "steps": [
            {"key": key, "kind": kind, "name": name, "action": action, "why": []}
            for key, kind, name, action in (
                *apis,
                ("repository", "Artifact Registry repository", STEM, "create"),
                ("runtime", "service account", runs, "create"),
                ("secret", "secret", secret, "create"),
                ("secret-reading", bound, f"reading of secret {secret} to {runs}", "create"),
                ("role", "custom role", role, "create"),
                ("dispatcher", "service account", pushes, "create"),
                ("pushing", bound, f"custom role {role} to {pushes}", "create"),
                ("acting", bound, f"Service Account User on {runs} alone to {pushes}", "create"),
                ("impersonation-0", bound, f"impersonation of {pushes} to user:{PERSON}", "create"),
            )
        ],
    }


@pytest.mark.parametrize("way", WAYS)
def test_made_once_and_removed_without_a_trace(cloud: LocalGoogleProject, way: str) -> None:
    answers = WAYS[way]
    before = cloud.everything()
    handover = applied(**answers)
    known = with_block(handover)
    made = cloud.everything()
    assert changes(known, **answers) == {}
    again = applied(known, **answers)
    assert cloud.everything() == made
    assert with_block(again, handover.block_data).block == known.block
    destroyed(known, **answers)
    assert cloud.everything() == before
    assert "run.googleapis.com" in cloud.resources.services, "others may use it by now"


def test_the_record_holds_no_secret(cloud: LocalGoogleProject) -> None:
    pools = Pools()
    pools.apply(with_key=True)
    record = json.dumps(pools.records)
    secret = cloud.secrets.all[f"projects/{PROJECT}/secrets/{STEM}-admission"].versions[0]
    assert "PRIVATE KEY" not in record
    assert secret not in record
    assert secret not in cloud.journal.shown()


def test_the_pool_is_told_all_that_it_needs_and_gets_no_key(cloud: LocalGoogleProject) -> None:
    handover = applied()
    assert handover.block_data == {"project": PROJECT, "impersonate_service_account": PUSH}
    assert handover.variables == {
        "project": PROJECT,
        "region": "us-central1",
        "service_account_name": RUN,
        "pool_secret": f"projects/{PROJECT}/secrets/{STEM}-admission",
    }
    assert handover.registry == f"us-central1-docker.pkg.dev/{PROJECT}/{STEM}"
    assert not cloud.iam.accounts[PUSH].keys


def test_one_key_that_is_told_once(cloud: LocalGoogleProject) -> None:
    handover = applied(with_key=True)
    first = handover.block_data
    assert first["service_account_info"]["private_key_id"] == first["key_id"]
    assert first["service_account_info"]["client_email"] == PUSH
    again = applied(with_block(handover), with_key=True)
    assert again.block_keeps_secrets
    assert "service_account_info" not in again.block_data
    lost = applied(POOL, with_key=True)
    assert lost.block_data["key_id"] != first["key_id"]
    assert [*cloud.iam.accounts[PUSH].keys] == [f"{account(PUSH)}/keys/{lost.block_data['key_id']}"]
    assert not cloud.iam.policies.bindings().get(account(PUSH)), "nobody impersonates it"
    keyless = applied(with_block(lost))
    assert not cloud.iam.accounts[PUSH].keys
    assert set(keyless.block_data) == {"project", "impersonate_service_account"}


def test_another_dispatcher_takes_the_place_of_the_one_before(cloud: LocalGoogleProject) -> None:
    applied()
    who: dict[str, Any] = {"dispatcher": "bob@example.com, runner@other.iam.gserviceaccount.com,group:ops@example.com"}
    cloud.iam.accounts["runner@other.iam.gserviceaccount.com"] = cloud.iam.accounts[RUN]
    told = {key: why for key, (_, why) in changes(**who).items()}
    assert told["impersonation-0"] == ("user:bob@example.com has it not", f"user:{PERSON} has it, too")
    applied(**who)
    held = [member for _, member in cloud.iam.policies.bindings()[account(PUSH)]]
    assert held == [
        "group:ops@example.com",
        "serviceAccount:runner@other.iam.gserviceaccount.com",
        "user:bob@example.com",
    ]
    assert changes(**who) == {}
    del cloud.iam.accounts["runner@other.iam.gserviceaccount.com"]
    destroyed(**who)
    assert not cloud.iam.accounts


def test_what_was_changed_by_hand_is_told_and_mended(cloud: LocalGoogleProject) -> None:
    applied(events_to="ends")
    iam, resources = cloud.iam, cloud.resources
    iam.roles[ROLE]["includedPermissions"] = ["run.jobs.get", "run.services.delete"]
    iam.policies.revoke(account(RUN), "roles/iam.serviceAccountUser", f"serviceAccount:{PUSH}")
    iam.policies.grant(account(PUSH), "roles/iam.serviceAccountTokenCreator", "user:eve@example.com")
    iam.accounts[RUN].body["disabled"] = True
    iam.accounts[PUSH].keys["by hand"] = {"name": f"{account(PUSH)}/keys/1", "keyType": "USER_MANAGED"}
    resources.repositories[f"projects/{PROJECT}/locations/us-central1/repositories/{STEM}"].pop("cleanupPolicies")
    sink = resources.sinks[f"projects/{PROJECT}/sinks/{STEM}"]
    sink["filter"], sink["disabled"] = "x", True
    cloud.secrets.all[f"projects/{PROJECT}/secrets/{STEM}-admission"].versions.clear()
    iam.accounts[PUSH].keys = {f"{account(PUSH)}/keys/1": iam.accounts[PUSH].keys["by hand"]}
    told = changes(events_to="ends")
    lacking = told["role"][1][0]
    assert lacking.startswith("it lacks ")
    assert "run.jobs.create" in lacking
    assert told == {
        "role": ("update", (lacking, "it allows run.services.delete, too")),
        "acting": ("create", ()),
        "impersonation-0": ("update", ("user:eve@example.com has it, too",)),
        "runtime": ("update", ("it is disabled",)),
        "dispatcher": ("update", ("it has 1 keys",)),
        "repository": ("update", ("how long untagged images are kept",)),
        "sink": ("update", ("what it tells", "it is disabled")),
        "secret": ("update", ("it has no value",)),
    }
    applied(events_to="ends")
    assert changes(events_to="ends") == {}


def test_the_function_that_observes_is_told_by_the_invoker(cloud: LocalGoogleProject) -> None:
    """What its own check of callers wants: a token of that account, for its address."""
    topic, name = f"projects/{PROJECT}/topics/{STEM}", f"projects/{PROJECT}/subscriptions/{STEM}"
    answers = WAYS["push"]
    applied(**answers)
    made = cloud.resources.subscriptions[name]
    assert made["topic"] == topic
    token = {"serviceAccountEmail": INVOKER, "audience": OBSERVE}
    assert made["pushConfig"] == {"pushEndpoint": OBSERVE, "oidcToken": token}
    assert cloud.resources.sinks[f"projects/{PROJECT}/sinks/{STEM}"]["destination"] == f"pubsub.googleapis.com/{topic}"
    moved: dict[str, Any] = {"events_to": f"https://observe-2.run.app|{INVOKER}"}
    assert changes(**moved) == {"subscription": ("update", ("whom it tells",))}
    applied(**moved)
    assert changes(**moved) == {}
    cloud.resources.topics_delete({"topic": topic}, {}, None)
    told = {key: (action, why) for key, (action, why) in changes(**moved).items() if key in ("topic", "subscription")}
    assert told["topic"] == ("create", ())
    applied(**moved)
    assert changes(**moved) == {}
    assert cloud.resources.subscriptions[name]["topic"] == topic
    for wrong in ("http://observe|a@b.c", "https://observe", "https://observe|nobody"):
        with pytest.raises(ProvisionError, match="as whom"):
            opened(events_to=wrong)


def test_what_was_deleted_by_hand_is_made_again(cloud: LocalGoogleProject) -> None:
    applied()
    for each in (RUN, PUSH):
        cloud.iam.accounts_delete({"name": account(each)}, {}, None)
    cloud.iam.roles_delete({"name": ROLE}, {}, None)
    told = {key: action for key, (action, _) in changes().items()}
    assert told == dict.fromkeys(
        ("runtime", "secret-reading", "role", "dispatcher", "pushing", "acting", "impersonation-0"), "create"
    )
    applied()
    assert changes() == {}
    assert not any("deleted:" in one for pairs in cloud.iam.policies.bindings().values() for _, one in pairs)


def test_a_role_that_was_deleted_long_ago_keeps_its_name(cloud: LocalGoogleProject) -> None:
    applied()
    destroyed()
    cloud.iam.purged.add(ROLE)
    applied()
    assert cloud.everything()["roles"] == [f"{ROLE}_2"]
    assert changes() == {}
    destroyed()
    cloud.iam.purged |= {f"{ROLE}_2", f"{ROLE}_3"}
    cloud.iam.roles[f"{ROLE}_3"] = {**cloud.iam.roles[ROLE], "deleted": True}
    with pytest.raises(ProvisionError, match="37 days"):
        applied()


def test_bindings_of_others_stay_with_their_conditions(cloud: LocalGoogleProject) -> None:
    condition = {"title": "until May", "expression": 'request.time < timestamp("2027-05-01T00:00:00Z")'}
    project = f"projects/{PROJECT}"
    cloud.iam.policies.grant(project, "roles/viewer", "user:eve@example.com", condition)
    cloud.iam.policies.grant(project, "roles/viewer", "user:bob@example.com")
    before = cloud.iam.policies.read(project)["bindings"]
    applied()
    applied()
    assert [each for each in cloud.iam.policies.read(project)["bindings"] if each["role"] != ROLE] == before
    destroyed()
    assert cloud.iam.policies.read(project)["bindings"] == before


def test_a_policy_that_somebody_else_changes_meanwhile_is_read_again(
    cloud: LocalGoogleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, read = f"projects/{PROJECT}", cloud.iam.policies.read
    visitors = iter(["user:a@example.com", "user:b@example.com", "user:c@example.com"])

    def read_and_be_overtaken(resource: str) -> dict[str, Any]:
        found = read(resource)
        if resource == project and (visitor := next(visitors, None)):
            monkeypatch.setattr(cloud.iam.policies, "read", read)
            cloud.iam.policies.grant(project, "roles/viewer", visitor)
            monkeypatch.setattr(cloud.iam.policies, "read", read_and_be_overtaken)
        return found

    monkeypatch.setattr(cloud.iam.policies, "read", read_and_be_overtaken)
    applied()
    held = cloud.everything()["policies"][project]
    assert [member for role, member in held if role == "roles/viewer"] == [f"user:{one}@example.com" for one in "abc"]
    assert (ROLE, f"serviceAccount:{PUSH}") in held


def test_what_is_somebody_elses_is_refused_or_used(cloud: LocalGoogleProject) -> None:
    applied()
    other = replace(POOL, name="hourly")
    both = cloud.everything()
    described = cloud.iam.accounts[PUSH].body["description"]
    cloud.iam.accounts[PUSH].body["description"] = "theirs"
    ours = opened()
    with pytest.raises(ProvisionError, match="does not belong to this work pool") as caught:
        ours.plan()
    assert caught.value.remedy
    cloud.iam.accounts[PUSH].body["description"] = described
    answers = {"service_account": f"{STEM}-run", "repository": STEM}
    handover = applied(other, **answers)
    assert handover.variables["service_account_name"] == RUN
    assert handover.registry
    assert handover.registry.endswith(STEM)
    destroyed(other, **answers)
    assert cloud.everything() == both


def test_wrong_answers_are_told_before_anything_is_made(cloud: LocalGoogleProject) -> None:
    before = cloud.everything()
    with pytest.raises(ProvisionError, match=r"resourcemanager\.projects\.get"):
        opened(project="nobodys-project")
    with pytest.raises(ProvisionError, match="no region"):
        opened(region="Europe")
    with pytest.raises(ProvisionError, match="No project"):
        opened(project="")
    assert cloud.everything() == before


def test_google_that_is_slow_to_know_is_waited_for(cloud: LocalGoogleProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """APIs that are on and not on, accounts that policies do not know yet."""
    monkeypatch.setattr(in_force, "PAUSES", (0.0,) * 9)
    cloud.resources.on_after, cloud.iam.known_after = 3, 4
    applied(events_to="ends")
    assert changes(events_to="ends") == {}


def test_rights_that_are_not_in_force_are_waited_for_and_then_told(
    cloud: LocalGoogleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_force, "PAUSES", (0.0,) * 9)
    cloud.mischief.order("iamcredentials.*", "deny", times=3)
    assert not any("in force" in note for note in applied().notes)
    monkeypatch.setattr(in_force, "WITHIN", 0.0)
    cloud.mischief.order("cloudresourcemanager.projects.testIamPermissions", "deny", times=1)
    assert any("in force" in note for note in applied().notes)


def test_two_pools_share_nothing(cloud: LocalGoogleProject) -> None:
    applied()
    one = cloud.everything()
    other = replace(POOL, name="hourly")
    applied(other)
    assert not set(one["accounts"]) - set(cloud.everything()["accounts"])
    destroyed(other)
    assert cloud.everything() == one


def test_jobs_that_run_as_the_pools_account_go_with_it(cloud: LocalGoogleProject) -> None:
    applied()
    place = f"projects/{PROJECT}/locations/us-central1"
    for name, email in (("ours", RUN), ("theirs", "them@example.com")):
        template = {"serviceAccount": email, "containers": [{"image": "python"}]}
        cloud.run.jobs_create({"parent": place}, {"jobId": name}, {"template": {"template": template}})
    destroyed()
    assert cloud.everything()["jobs"] == [f"{place}/jobs/theirs"]
