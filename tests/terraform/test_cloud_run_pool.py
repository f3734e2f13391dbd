"""The module for pools on Cloud Run: the same things, names and rights as `--provision-infra`, and Skylift is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from skylift.provisioner import PoolIdentity
from skylift_infra.gcp import PROVISIONER_V2
from skylift_infra.gcp.federation import IdentityPool, IdentityProvider
from skylift_infra.gcp.grants import Grant
from skylift_infra.gcp.identities import CustomRole, ServiceAccount
from skylift_infra.gcp.place import UNTAGGED, Api, Repository, Sink, Topic
from skylift_infra.gcp.project import Project
from skylift_infra.gcp.provisioner import Layout
from tests.support.service import ROOT, clean_environment, serving
from tests.terraform.conftest import Open
from tests.terraform.workspace import TERRAFORM, Workspace, planned_resources

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]

MODULE = TERRAFORM / "pools" / "cloud_run"
POOL = PoolIdentity("My nightly Pool!", "cloud-run-v2:push", UUID("0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5d"))
PROJECT, REGION, NUMBER = "central-kit-405415", "europe-west1", "210987654321"
DISPATCH = f"serviceAccount:skylift-dispatch@{PROJECT}.iam.gserviceaccount.com"
FLOWS = f"flows@{PROJECT}.iam.gserviceaccount.com"
ROLE = "arn:aws:iam::123456789012:role/service/skylift-dispatch"
TENANT, OBJECT = "44444444-4444-4444-4444-444444444444", "55555555-5555-5555-5555-555555555555"
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "of its own": ({"dispatcher": DISPATCH}, {"dispatchers": [DISPATCH]}),
    "what is there": (
        {"dispatcher": DISPATCH, "repository": "images", "service_account": FLOWS},
        {"dispatchers": [DISPATCH], "repository": "images", "service_account": FLOWS},
    ),
    "events, and a dispatcher in AWS": (
        {"dispatcher": ROLE, "events_to": "ends"},
        {"aws_role": ROLE, "events_to": "ends", "create_topic": True},
    ),
    "a dispatcher in Azure": (
        {"dispatcher": f"azure:{TENANT}|{OBJECT}|api://skylift"},
        {"azure_identity": {"tenant": TENANT, "object_id": OBJECT, "application": "api://skylift"}},
    ),
}
Planned = dict[str, dict[str, Any]]
Both = tuple[Layout, Planned]


class KnownProject(Project):
    """Which nobody has to be asked about."""

    number = NUMBER
    person = "user:ann@example.com"


def layout(**answers: Any) -> Layout:
    """What `--provision-infra` would make, by its own code."""
    defaults = {each.name: each.default for each in PROVISIONER_V2.questions}
    return Layout(KnownProject(PROJECT, REGION), POOL, defaults | answers)


@pytest.fixture(params=VARIANTS)
def both(request: pytest.FixtureRequest, workspace: Open) -> Both:
    """The provisioner's resources, and what the module plans."""
    answers, variables = VARIANTS[request.param]
    terraform = workspace(MODULE)
    terraform.init()
    about = {"name": POOL.name, "installation_id": str(POOL.installation_id), "project": PROJECT, "region": REGION}
    values = {**about, **variables}
    given = [f"-var={key}={each if isinstance(each, str) else json.dumps(each)}" for key, each in values.items()]
    return layout(**answers), planned_resources(terraform.plan(*given))


def of_kind(planned: Planned, kind: str) -> list[dict[str, Any]]:
    return [values for address, values in planned.items() if address.startswith(f"{kind}.")]


def test_the_same_things_of_the_same_names_with_the_same_marks(both: Both) -> None:
    ours, planned = both
    given = {"images", FLOWS}
    expected = {type_: [each for each in ours.resources() if type(each) is type_] for type_ in (Repository, Topic)}
    made = [each.name for each in expected[Repository] if each.name not in given]
    repositories = of_kind(planned, "google_artifact_registry_repository")
    assert [each["repository_id"] for each in repositories] == made
    secrets = of_kind(planned, "google_secret_manager_secret")
    assert [each["secret_id"] for each in secrets] == [ours.secret]
    topics = of_kind(planned, "google_pubsub_topic")
    assert [f"projects/{each['project']}/topics/{each['name']}" for each in topics] == [
        each.name for each in expected[Topic]
    ]
    for values in (*repositories, *secrets, *topics):
        assert values["labels"] == ours.labels
    accounts = [each for each in ours.resources() if isinstance(each, ServiceAccount) and each.name not in given]
    found = of_kind(planned, "google_service_account")
    assert sorted(each["account_id"] for each in found) == sorted(each.name for each in accounts)
    assert sorted(each["description"] for each in found) == sorted(
        f"{each.purpose} of the Skylift work pool {mark_of(ours)}" for each in accounts
    )


def mark_of(ours: Layout) -> str:
    """As descriptions have it, by the provisioner's own hand."""
    (role,) = (each for each in ours.resources() if isinstance(each, CustomRole))
    told: str = role._role()["description"]
    return told.partition(" of the Skylift work pool ")[2]


def test_the_same_apis(both: Both) -> None:
    ours, planned = both
    wanted = sorted(each.name for each in ours.resources() if isinstance(each, Api))
    found = of_kind(planned, "google_project_service")
    assert sorted(each["service"] for each in found) == wanted
    assert not any(each["disable_on_destroy"] for each in found)


def test_the_same_role(both: Both) -> None:
    ours, planned = both
    (role,) = (each for each in ours.resources() if isinstance(each, CustomRole))
    (found,) = of_kind(planned, "google_project_iam_custom_role")
    told = role._role()
    assert (found["role_id"], found["title"], found["description"], found["stage"]) == (
        role.name,
        told["title"],
        told["description"],
        told["stage"],
    )
    assert sorted(found["permissions"]) == told["includedPermissions"]


def grants_of(planned: Planned) -> Iterator[tuple[str, str, str | None]]:
    """What is granted on what, and to whom; None: to whom is decided when it is applied."""
    for each in of_kind(planned, "google_project_iam_member"):
        yield f"projects/{each['project']}", each["role"], each["member"]
    for each in of_kind(planned, "google_service_account_iam_member"):
        yield each["service_account_id"], each["role"], each["member"]
    for each in of_kind(planned, "google_service_account_iam_binding"):
        for member in each["members"]:
            yield each["service_account_id"], each["role"], member
    for each in of_kind(planned, "google_secret_manager_secret_iam_member"):
        yield f"projects/{each['project']}/secrets/{each['secret_id']}", each["role"], each["member"]
    for each in of_kind(planned, "google_pubsub_topic_iam_member"):
        yield f"projects/{each['project']}/topics/{each['topic']}", each["role"], each.get("member")


def test_the_same_rights(both: Both) -> None:
    ours, planned = both
    (role,) = (each for each in ours.resources() if isinstance(each, CustomRole))
    made = {"role": {"name": f"projects/{PROJECT}/roles/{role.name}"}, "sink": {"writer": "None"}}
    wanted = []
    for each in ours.resources():
        if isinstance(each, Grant):
            on = each.holder.resource.replace("projects/-/", f"projects/{PROJECT}/")
            wanted.append((on, *each._wanted(made)))
    assert sorted((on, role, str(member)) for on, role, member in grants_of(planned)) == sorted(wanted)


def test_the_same_place(both: Both) -> None:
    ours, planned = both
    for each in of_kind(planned, "google_artifact_registry_repository"):
        (policy,) = each["cleanup_policies"]
        (condition,) = policy["condition"]
        about = {"tagState": condition["tag_state"], "olderThan": condition["older_than"]}
        assert {policy["id"]: {"id": policy["id"], "action": policy["action"], "condition": about}} == UNTAGGED
    sinks = [each for each in ours.resources() if isinstance(each, Sink)]
    found = of_kind(planned, "google_logging_project_sink")
    assert [{"destination": each["destination"], "filter": each["filter"]} for each in found] == [
        each.wanted for each in sinks
    ]
    assert [each["name"] for each in found] == [each.name for each in sinks]


def test_the_same_trust(both: Both) -> None:
    ours, planned = both
    pools = [each for each in ours.resources() if type(each) is IdentityPool]
    found = of_kind(planned, "google_iam_workload_identity_pool")
    assert [(each["workload_identity_pool_id"], each["description"]) for each in found] == [
        (each.name, each._body()["description"]) for each in pools
    ]
    providers = [each for each in ours.resources() if type(each) is IdentityProvider]
    trusts = of_kind(planned, "google_iam_workload_identity_pool_provider")
    assert [each["workload_identity_pool_provider_id"] for each in trusts] == [each.name for each in providers]
    for values, wanted in zip(trusts, (each._body() for each in providers), strict=True):
        assert values["description"] == wanted["description"]
        assert values["attribute_mapping"] == wanted["attributeMapping"]
        assert values["attribute_condition"] == wanted["attributeCondition"]
        told: dict[str, Any] = {}
        for each in values["aws"]:
            told["aws"] = {"accountId": each["account_id"]}
        for each in values["oidc"]:
            told["oidc"] = {"issuerUri": each["issuer_uri"], "allowedAudiences": each["allowed_audiences"]}
        assert told == {name: wanted[name] for name in ("aws", "oidc") if name in wanted}


def test_skylift_is_told_the_same(both: Both) -> None:
    """Of what is known before it is applied."""
    ours, planned = both
    (told,) = of_kind(planned, "terraform_data")
    registration = told["triggers_replace"][0]
    expected = ours.handover({name: EMPTY | each for name, each in made_of(ours).items()})
    assert registration["type"] == POOL.type
    assert registration["variables"] == expected.variables
    assert registration["credentials"]["block_type"] == PROVISIONER_V2.block_type
    assert registration["credentials"]["data"] == expected.block_data


EMPTY = {"uri": "u", "sha256": "s"}


def made_of(ours: Layout) -> dict[str, dict[str, str]]:
    return {
        "runtime": {"email": ours.runtime_email},
        "dispatcher": {"email": ours.pushing.email},
        "repository": {},
        "secret": {"name": f"projects/{PROJECT}/secrets/{ours.secret}"},
    }


# -- Skylift is told --------------------------------------------------------------------------------------------------


def apply(terraform: Workspace, env: Mapping[str, str]) -> str:
    state = f"-state={terraform.scratch / 'state'}"
    return terraform.run("apply", "-auto-approve", "-no-color", "-lock=false", state, env=env)


def test_skylift_is_told_and_told_again(workspace: Open, tmp_path: Path) -> None:
    """By the real command, against the real service, as somebody who applies the example does it."""
    terraform = workspace(MODULE / "examples" / "pool")
    terraform.init()
    home = tmp_path / "home"
    home.mkdir()
    with serving(home) as service:
        env = {"SKYLIFT_API_URL": service.url, "PATH": f"{ROOT / '.venv' / 'bin'}:{clean_environment()['PATH']}"}
        assert "Apply complete!" in apply(terraform, env)
        pool = httpx.get(f"{service.url}/work_pools/nightly", timeout=30).raise_for_status().json()
        assert (pool["type"], pool["status"], pool["concurrency_limit"]) == (POOL.type, "READY", 20)
        properties = pool["base_job_template"]["variables"]["properties"]
        defaults = {name: each["default"] for name, each in properties.items() if each.get("default") is not None}
        assert defaults["service_account_name"].startswith("skylift-nightly-")
        assert defaults["pool_secret"].startswith("projects/example-project/secrets/skylift-nightly-")
        (admits,) = pool["settings"]["admission_secrets"]
        assert len(admits) == 64
        assert admits not in (tmp_path / "state").read_text()
        url = f"{service.url}/block_types/slug/gcp-credentials/block_documents/name/nightly-gcp-credentials"
        block = httpx.get(url, timeout=30).raise_for_status().json()["data"]
        assert block["impersonate_service_account"].endswith("-push@example-project.iam.gserviceaccount.com")
        assert "0 added, 0 changed, 0 destroyed" in apply(terraform, env), "the second time there is nothing to do"
        assert httpx.get(f"{service.url}/work_pools/nightly", timeout=30).json() == pool
