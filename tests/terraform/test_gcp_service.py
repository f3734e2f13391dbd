"""The module for the service on Google Cloud: what is made is what the platform says of itself, and each function finds
in it what it needs and answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from skylift.api import static_files
from skylift_functions.gcp import PLATFORM
from skylift_functions.gcp.platform import ROLES
from tests.clouds.google_functions import Function
from tests.functions.gcp.world import World, open_world
from tests.functions.workload import API_KEY
from tests.terraform.conftest import Export
from tests.terraform.workspace import ROOT, TERRAFORM, TerraformError, Workspace

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]

MODULE = TERRAFORM / "gcp"
PAGE = (ROOT / "docs" / "deploy" / "gcp-functions.md").read_text()
PROJECT, REGION = "example-project", "europe-west1"
Made = dict[str, dict[str, dict[str, Any]]]
"""By type and name, and by key where there are several."""


@pytest.fixture(scope="module")
def stated(served: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What the example makes: applied, so that all is known."""
    scratch = tmp_path_factory.mktemp("service")
    terraform = Workspace(MODULE / "examples" / "service", served, scratch)
    terraform.init()
    apply(terraform, {"TF_VAR_database_url": "postgresql://skylift:hunter2@db.example/skylift"})
    text = (scratch / "state").read_text()
    assert "hunter2" not in text
    assert "made-up-result" not in text, "no key that was made is in the state"
    said = apply(terraform, {})
    assert "0 added, 0 changed, 0 destroyed" in said, "without the URL nothing is done about it"
    return made_in(json.loads(text))


def made_in(state: Mapping[str, Any]) -> Made:
    managed = (each for each in state["resources"] if each["mode"] == "managed")
    return {
        f"{each['type']}.{each['name']}": {
            str(made.get("index_key", "")): made["attributes"] for made in each["instances"]
        }
        for each in managed
    }


def apply(terraform: Workspace, env: Mapping[str, str]) -> str:
    state = f"-state={terraform.scratch / 'state'}"
    return terraform.run("apply", "-auto-approve", "-no-color", "-lock=false", state, env=env)


def functions(stated: Made) -> dict[str, dict[str, Any]]:
    return stated["google_cloudfunctions2_function.this"]


def config(function: Mapping[str, Any]) -> dict[str, Any]:
    (found,) = function["service_config"]
    return dict(found)


def email(name: str) -> str:
    return f"{name}@{PROJECT}.iam.gserviceaccount.com"


def test_functions_are_as_the_platform_has_them(stated: Made) -> None:
    assert {*functions(stated)} == {each.name for each in PLATFORM.functions}
    for name, made in functions(stated).items():
        about, found = PLATFORM.function(name), config(made)
        (build,) = made["build_config"]
        assert (build["entry_point"], build["runtime"]) == (name, "python313")
        assert found["timeout_seconds"] == about.timeout
        assert found["available_memory"] == f"{about.memory}Mi"
        assert found["max_instance_request_concurrency"] == about.concurrency
        assert found["service_account_email"] == email(f"skylift-{name}")
        variables = {*PLATFORM.variables, "SKYLIFT_LOG_LEVEL", "FUNCTION_USE_ASGI"}
        left_out = "SKYLIFT_IAM_CHECKED" if about.is_public else "FUNCTION_USE_ASGI"
        assert {*found["environment_variables"]} == variables - {left_out}


def test_what_calls_them_is_as_the_platform_has_it(stated: Made) -> None:
    urls = {name: config(made)["environment_variables"] for name, made in functions(stated).items()}["api"]
    queues = stated["google_cloud_tasks_queue.wakeups"]
    assert {*queues} == {each.queue for each in PLATFORM.functions if each.queue}
    for verb, queue in queues.items():
        assert urls[f"SKYLIFT_QUEUE_{verb.upper()}"] == f"projects/{PROJECT}/locations/{REGION}/queues/{queue['name']}"
        (retries,) = queue["retry_config"]
        assert (retries["max_attempts"], retries["min_backoff"], retries["max_backoff"]) == (10, "1s", "60s")
    assert "| attempts | 10 | 10 | 10 |" in PAGE
    assert "| backoff | 1 to 60 s | 1 to 60 s | 1 to 60 s |" in PAGE
    ticks = stated["google_cloud_scheduler_job.tick"]
    assert {name: each["schedule"] for name, each in ticks.items()} == {
        each.name: f"*/{each.every} * * * *" for each in PLATFORM.functions if each.every
    }
    pushed = stated["google_pubsub_subscription.events"]
    assert {*pushed} == {each.name for each in PLATFORM.functions if each.hears}
    calls = {name: each["http_target"][0] for name, each in ticks.items()}
    calls |= {name: each["push_config"][0] for name, each in pushed.items()}
    for name, call in calls.items():
        url = urls[f"SKYLIFT_URL_{name.upper()}"]
        assert call.get("uri", call.get("push_endpoint")) == url
        (token,) = call["oidc_token"]
        assert (token["service_account_email"], token["audience"]) == (email("skylift-invoker"), url)


def test_the_console_is_in_a_public_bucket_with_an_origin_of_its_own(
    served: Mapping[str, str], tmp_path: Path, exported: Export
) -> None:
    """The API is where the page looks for it, and lets it in. A page that looks elsewhere is told where."""
    terraform = Workspace(MODULE, served, tmp_path)
    terraform.init()
    values = "-var-file=tests/values.tfvars"
    with pytest.raises(TerraformError) as refused:
        terraform.plan(values, f"-var=console_folder={exported('/api')}")
    (url,) = re.findall(r"--api-url\W+(https://\S+/api)", str(refused.value))
    terraform.apply(values, f"-var=console_folder={exported(url)}")
    state = terraform.state()
    made = made_in(state)
    assert state["outputs"]["api_url"]["value"] == url
    bucket = made["google_storage_bucket.console"]["0"]["name"]
    origin = f"https://{bucket}.storage.googleapis.com"
    for function in functions(made).values():
        told = config(function)["environment_variables"]
        assert told["SKYLIFT_CONSOLE_URL"] == state["outputs"]["console_url"]["value"] == f"{origin}/index.html"
        assert json.loads(told["SKYLIFT_UI_ORIGINS"]) == [origin]
    sent = made["google_storage_bucket_object.console"]
    assert {name: (each["bucket"], each["content_type"], each["cache_control"]) for name, each in sent.items()} == {
        "index.html": (bucket, "text/html; charset=utf-8", "no-cache"),
        "favicon.svg": (bucket, "image/svg+xml", "no-cache"),
        "assets/index-BH1dhhvP.js": (bucket, "text/javascript; charset=utf-8", static_files.FOR_EVER),
    }
    readers = made["google_storage_bucket_iam_member.console"]["0"]
    assert (readers["role"], readers["member"]) == ("roles/storage.legacyObjectReader", "allUsers")


def test_no_console_unless_asked_for(stated: Made) -> None:
    assert not [each for each in stated if each.endswith(".console")]


def test_nobody_but_the_invoker_may_call_what_is_not_public(stated: Made) -> None:
    may = {
        (each["service"], each["member"])
        for address in ("google_cloud_run_service_iam_member.invoker", "google_cloud_run_service_iam_member.public")
        for each in stated[address].values()
    }
    invoker = f"serviceAccount:{email('skylift-invoker')}"
    assert may == {(f"skylift-{each.name}", "allUsers" if each.is_public else invoker) for each in PLATFORM.functions}
    for each in PLATFORM.functions:
        found = config(functions(stated)[each.name])
        assert found["ingress_settings"] == ("ALLOW_ALL" if each.is_public else "ALLOW_INTERNAL_ONLY")
        assert found["environment_variables"].get("SKYLIFT_IAM_CHECKED") == (None if each.is_public else "true")


def test_each_account_may_do_what_the_platform_says_and_no_more(stated: Made) -> None:
    held: set[tuple[str, str, str]] = set()
    for address, instances in stated.items():
        if address.endswith(("_iam_member.function", "_iam_binding.function")):
            for each in instances.values():
                on = each.get("secret_id") or each.get("service_account_id") or each["name"]
                held.add((each["member"].removeprefix("serviceAccount:"), each["role"], on))
    stands_for = {
        "{invoker}": [f"projects/{PROJECT}/serviceAccounts/{email('skylift-invoker')}"],
        "{secrets}": [each["secret_id"] for each in stated["google_secret_manager_secret.this"].values()],
        **{f"{{{verb}_queue}}": [f"skylift-{verb}"] for verb in stated["google_cloud_tasks_queue.wakeups"]},
    }
    assert held == {
        (email(f"skylift-{function.name}"), ROLES[permission], on)
        for function in PLATFORM.functions
        for permission, resources in function.permissions.items()
        for resource in resources
        for on in stands_for[resource]
    }
    for permission, role in ROLES.items():
        assert f"| `{permission}` | `{role}` |" in PAGE


def test_other_rights_are_the_builds_and_the_invokers(stated: Made) -> None:
    known = {"google_cloud_run_service_iam_member.invoker", "google_cloud_run_service_iam_member.public"}
    others = {
        address: {(each["role"], each["member"]) for each in instances.values()}
        for address, instances in stated.items()
        if "_iam_" in address and not address.endswith(".function") and address not in known
    }
    build = f"serviceAccount:{email('skylift-build')}"
    assert others == {
        "google_project_iam_member.build": {("roles/logging.logWriter", build), ("roles/storage.objectViewer", build)},
        "google_artifact_registry_repository_iam_member.build": {("roles/artifactregistry.writer", build)},
    }


def test_the_configuration_on_the_page_applies(served: Mapping[str, str], tmp_path: Path) -> None:
    """The service and a pool that it pushes to, as the page has them, in one configuration."""
    page = (ROOT / "docs" / "deploy" / "gcp.md").read_text()
    text = "\n".join(re.findall(r"```hcl\n(.*?)```", page, re.S))
    text = text.replace("../skylift/terraform", str(TERRAFORM)).replace(
        "../skylift/dist", served["TF_VAR_packages_dir"]
    )
    text = re.sub(r'  backend "gcs" \{.*?\n  \}\n', "", text, flags=re.S)
    (tmp_path / "main.tf").write_text(
        text.replace('name            = "my-pool"', 'name     = "my-pool"\n  register = false')
    )
    terraform = Workspace(tmp_path, served, tmp_path)
    terraform.init()
    apply(terraform, {"TF_VAR_database_url": "postgresql://skylift@db.example/skylift"})
    made = json.loads((tmp_path / "state").read_text())["resources"]
    (lets_push,) = (each for each in made if each["name"] == "impersonation")
    pushing = [each.name for each in PLATFORM.functions if each.pushes]
    assert sorted(lets_push["instances"][0]["attributes"]["members"]) == sorted(
        f"serviceAccount:skylift-{name}@my-project.iam.gserviceaccount.com" for name in pushing
    )
    (topic,) = (each for each in made if each["name"] == "publishing")
    assert topic["instances"][0]["attributes"]["topic"] == "skylift-events"


# -- each function that is deployed answers ---------------------------------------------------------------------------


@pytest.fixture
def world(postgres_url: str, tmp_path: Path) -> Iterator[World]:
    with open_world(postgres_url, tmp_path) as made:
        yield made


def test_each_function_answers_with_the_environment_that_it_is_given(stated: Made, world: World) -> None:
    """Processes of Google's framework, started from what is in the state: only addresses lead to the local Google."""
    for name, made in functions(stated).items():
        function, given = world.functions[name], config(made)["environment_variables"]
        for instance in function.instances:
            local = dict(instance.env)
            assert {*given} <= {*local, "SKYLIFT_IAM_CHECKED", "SKYLIFT_LOG_LEVEL"}
            instance.env.clear()
            instance.env |= local | {key: value for key, value in given.items() if not is_address(key)}
        mount(function, made, world, world.folder / name)
    bodies: dict[str, Any] = {
        "schedule": None,
        "dispatch": {"verb": "dispatch", "pool_id": "00000000-0000-0000-0000-000000000001", "at": PAST},
        "observe": {"message": {"data": ""}, "subscription": "projects/p/subscriptions/s"},
    }
    assert {*bodies, "api"} == {*functions(stated)}
    for name, body in bodies.items():
        if name == "observe":  # whose signatures it looks at itself in the local Google
            for instance in world.functions[name].instances:
                del instance.env["SKYLIFT_IAM_CHECKED"]
        assert world.post(name, body).status_code == 204, world.functions[name].log.read_text()
    url = f"{world.functions['api'].url}/api/flows/filter"
    answer = httpx.post(url, json={}, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=60)
    assert answer.status_code == 200
    assert httpx.post(url, json={}, timeout=60).status_code == 401


PAST = "2020-01-01T00:00:00+00:00"


def is_address(variable: str) -> bool:
    """What is different in the local Google, where the invoker has another name, too."""
    return variable.startswith(("SKYLIFT_URL_", "SKYLIFT_QUEUE_", "SKYLIFT_API_URL", "SKYLIFT_INVOKER"))


def mount(function: Function, made: Mapping[str, Any], world: World, folder: Path) -> None:
    """The secrets as files, each where its volume says, below a folder of the test."""
    references = {name: each for name, each in function.instances[0].env.items() if name.endswith("_FROM")}
    volumes = {each["mount_path"]: each for each in config(made)["secret_volumes"]}
    values = {path.rpartition("/")[2]: path for path in volumes}
    assert {*references.values()} == {f"{path}/{volumes[path]['versions'][0]['path']}" for path in volumes}
    for name, path in values.items():
        secret = world.cloud.secrets.all[f"projects/acme-data/secrets/{LOCAL[name]}"]
        (folder / path.lstrip("/")).mkdir(parents=True)
        (folder / path.lstrip("/") / "value").write_text(secret.versions[-1])
    for instance in function.instances:
        instance.env |= {name: f"{folder}{path}" for name, path in references.items()}


LOCAL = {"database-url": "skylift-database-url", "sealing-keys": "skylift-secret-key", "admin-key": "skylift-api-key"}
