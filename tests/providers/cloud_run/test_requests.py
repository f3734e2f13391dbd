"""A rendered job configuration in, Cloud Run's requests out: pure, and held to Google's own schema and rules."""

from __future__ import annotations

import string
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from skylift import templates
from skylift.confidential import NONCE
from skylift.provider import Launch, Rejected
from skylift_cloud_run import PROVIDER, PROVIDER_V1, CloudRunProvider, request
from skylift_cloud_run.configuration import Configuration, SecretReference, read_configuration
from skylift_cloud_run.labels import to_labels
from tests.clouds.google_discovery import conform
from tests.clouds.google_rules import LABEL_KEY, LABEL_VALUE, check_job
from tests.providers.cloud_run.support import configuration, job_body, under_runner
from tests.providers.contract import new_launch

TEXT = st.text(st.characters(codec="utf-8"), max_size=80)


def shared(**more: Any) -> dict[str, Any]:
    return request.shared_job(read_configuration(under_runner(["python3", "-c", "pass"], **more)))


def alone(secrets: frozenset[str] = frozenset(), **more: Any) -> tuple[dict[str, Any], Configuration]:
    launch = launch_of(secrets, **more)
    read = read_configuration(launch.configuration)
    return request.own_job(read, launch, "projects/p/secrets/s", {"TOKEN": "1"}), read


def launch_of(secrets: frozenset[str] = frozenset(), **more: Any) -> Launch:
    env = more.pop("env", {"A": "1"})
    return replace(new_launch(configuration(["sh", "-c", "true"], env, **more)), secrets=secrets)


def variables(body: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in body["template"]["template"]["containers"][0]["env"]}


def rendered(provider: CloudRunProvider, **job_variables: Any) -> dict[str, Any]:
    """By the default template; with a command, as the core adds it."""
    template = provider.base_job_template()
    nobody: dict[str, Any] = {"flow": {}, "flow_run": {}, "deployment": {}, "work_pool": {}}
    fetched = templates.Fetched(blocks={}, documents={}, variables={}, environment={}, allowed_environment=frozenset())
    layer = templates.Layer("test", job_variables)
    templates.check_job_variables(template, [layer], complete=True)
    made = templates.render(template, [layer], context=nobody, lookup=fetched).configuration
    return {**made, "command": ["true"], "env": {}}


@pytest.mark.parametrize("provider", [PROVIDER, PROVIDER_V1])
def test_the_default_template_makes_a_job_that_google_takes(provider: CloudRunProvider) -> None:
    read = read_configuration(rendered(provider))
    for body in (request.shared_job(read), request.own_job(read, launch_of())):
        job = conform("run.v2", "GoogleCloudRunV2Job", body, "")
        check_job("skylift-1", job)
        assert job["template"]["taskCount"] == 1
        assert job["template"]["template"]["maxRetries"] == 0
        assert job["template"]["template"]["timeout"] == "86400s"
        assert "vpcAccess" not in job["template"]["template"]
        assert "nodeSelector" not in job["template"]["template"]


def test_every_variable_of_the_template_arrives() -> None:
    read = read_configuration(
        rendered(
            PROVIDER,
            args=["--fast"],
            cpu="4000m",
            memory="16Gi",
            gpu_count=1,
            gpu_type="nvidia-l4",
            gpu_zonal_redundancy_disabled=True,
            ephemeral_storage="2Gi",
            execution_environment="EXECUTION_ENVIRONMENT_GEN2",
            launch_stage="BETA",
            max_retries=2,
            service_account_name="runs@p.iam.gserviceaccount.com",
            network="default",
            subnetwork="runs",
            network_tags=["runs"],
            vpc_egress="ALL_TRAFFIC",
            cloudsql_instances=["p:europe-west1:db"],
            env_from_secrets={"TOKEN": {"secret": "token", "version": "3"}},
            prefect_api_key_secret={"secret": "key"},
        )
    )
    body = conform("run.v2", "GoogleCloudRunV2Job", request.own_job(read, launch_of()), "")
    check_job("skylift-1", body)
    task = body["template"]["template"]
    container = task["containers"][0]
    assert container["resources"]["limits"] == {"cpu": "4000m", "memory": "16Gi", "nvidia.com/gpu": "1"}
    assert container["args"] == ["--fast"]
    assert task["nodeSelector"] == {"accelerator": "nvidia-l4"}
    assert (task["gpuZonalRedundancyDisabled"], task["maxRetries"], task["timeout"]) == (True, 2, "3600s")
    assert task["vpcAccess"] == {
        "egress": "ALL_TRAFFIC",
        "networkInterfaces": [{"network": "default", "subnetwork": "runs", "tags": ["runs"]}],
    }
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounts == {"cloudsql": "/cloudsql", "scratch": "/scratch"}
    assert {each["name"] for each in task["volumes"]} == set(mounts)
    found = variables(body)
    assert found["TOKEN"]["valueSource"]["secretKeyRef"] == {"secret": "token", "version": "3"}
    assert found["PREFECT_API_KEY"]["valueSource"]["secretKeyRef"] == {"secret": "key", "version": "latest"}
    assert (task["executionEnvironment"], body["launchStage"]) == ("EXECUTION_ENVIRONMENT_GEN2", "BETA")


def test_runs_of_one_configuration_share_a_job() -> None:
    runs = [
        under_runner(
            ["python3", "-c", "pass"],
            labels={"team": "data", "prefect.io/flow-run-id": str(uuid4()), "prefect.io/flow-run-name": name},
            timeout_seconds=seconds,
        )
        for name, seconds in (("brave-otter", 60.0), ("calm-newt", 90.0))
    ]
    bodies = [request.shared_job(read_configuration(each)) for each in runs]
    assert request.shared_job_id(bodies[0]) == request.shared_job_id(bodies[1])
    assert request.shared_job_id(bodies[0]) != request.shared_job_id(shared(job_body=job_body(memory="1Gi")))
    assert bodies[0]["labels"] == {"team": "data", "skylift-role": "shared"}
    assert "a-nonce-of-one-use" not in str(bodies)


def test_the_mark_of_an_installation_does_not_rename_the_job() -> None:
    body = shared()
    marked = request.marked(body, uuid4())
    assert marked["labels"]["skylift-installation"]
    assert "skylift-installation" not in body["labels"]


def test_an_execution_carries_its_attempt_and_its_timeout() -> None:
    launch = new_launch(under_runner(["python3"], timeout_seconds=90.2))
    read = read_configuration(launch.configuration)
    found = request.overrides(read, launch, request.shared_job(read))
    (container,) = found["containerOverrides"]
    env = {each["name"]: each["value"] for each in container["env"]}
    assert env["SKYLIFT_ATTEMPT"] == str(launch.attempt_id)
    assert env["SKYLIFT_INSTALLATION"] == str(launch.installation_id)
    assert env[NONCE] == "a-nonce-of-one-use"
    assert found["timeout"] == "91s"


@pytest.mark.parametrize(
    ("text", "secret", "version"),
    [
        ("pool", "pool", "latest"),
        ("pool:7", "pool", "7"),
        ("projects/p/secrets/pool", "projects/p/secrets/pool", "latest"),
        ("projects/p/secrets/pool/versions/2", "projects/p/secrets/pool", "2"),
    ],
)
def test_the_pool_secret_is_a_reference(text: str, secret: str, version: str) -> None:
    assert SecretReference.parse(text) == SecretReference(secret=secret, version=version)
    found = variables(shared(pool_secret=text))["SKYLIFT_POOL_SECRET"]
    assert found["valueSource"]["secretKeyRef"] == {"secret": secret, "version": version}


def test_a_bare_command_gets_no_pool_secret() -> None:
    assert "SKYLIFT_POOL_SECRET" not in variables(alone(pool_secret="pool")[0])


def test_a_bare_command_has_everything_in_a_job_of_its_own() -> None:
    body, _ = alone(labels={"prefect.io/flow-run-name": "Brave Otter"}, timeout=120)
    assert (body["startExecutionToken"], body["launchStage"]) == ("run", "BETA")
    assert body["labels"]["prefect-io-flow-run-name"] == "brave-otter"
    assert body["template"]["template"]["timeout"] == "120s"
    container = body["template"]["template"]["containers"][0]
    assert (container["command"], container["args"]) == (["sh"], ["-c", "true"])
    assert variables(body)["A"]["value"] == "1"


def test_secret_values_of_a_bare_command_are_references() -> None:
    body, _ = alone(frozenset(["hunter2-hunter2"]), env={"TOKEN": "Bearer hunter2-hunter2", "A": "1"})
    assert "hunter2" not in str(body)
    reference = variables(body)["TOKEN"]["valueSource"]["secretKeyRef"]
    assert reference == {"secret": "projects/p/secrets/s", "version": "1"}
    assert body["labels"]["skylift-secret"] == "true"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"command": ["echo", "hunter2-hunter2"]}, "command"),
        ({"labels": {"token": "hunter2-hunter2"}}, "labels"),
        ({"job_body": job_body("registry.example/hunter2-hunter2:1")}, "image"),
    ],
)
def test_a_secret_in_a_field_that_google_shows_is_refused(more: dict[str, Any], field: str) -> None:
    launch = launch_of(
        frozenset(["hunter2-hunter2"]), **{name: each for name, each in more.items() if name != "command"}
    )
    read = read_configuration({**launch.configuration, **more})
    with pytest.raises(Rejected, match=field) as caught:
        request.own_job(read, launch)
    assert "hunter2" not in f"{caught.value}{caught.value.remedy}"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"job_body": {}}, "image"),
        ({"job_body": {"apiVersion": "run.googleapis.com/v1", "spec": {}}}, "v1 API"),
        ({"job_body": {**job_body(), "template": {**job_body()["template"], "taskCount": 3}}}, "several tasks"),
        ({"region": "Mars"}, "region"),
        ({"surprise": 1}, "surprise"),
        ({"timeout": 700000}, "timeout"),
        ({"pool_secret": "a b"}, "pool_secret"),
        ({"credentials": {"service_account_info": "{broken"}}, "credentials"),
    ],
)
def test_what_cannot_be_a_job_is_rejected_by_its_field(more: dict[str, Any], words: str) -> None:
    with pytest.raises(Rejected, match=words) as caught:
        shared(**more)
    assert caught.value.remedy


def test_arguments_need_a_bare_command() -> None:
    body = job_body()
    body["template"]["template"]["containers"][0]["args"] = ["--fast"]
    with pytest.raises(Rejected, match="args"):
        shared(job_body=body)
    own, _ = alone(job_body=body)
    assert own["template"]["template"]["containers"][0]["args"] == ["-c", "true", "--fast"]


def test_a_value_that_is_too_long_is_named_and_not_told() -> None:
    with pytest.raises(Rejected, match="'BIG'") as caught:
        alone(env={"BIG": "x" * 40000})
    assert "xxx" not in str(caught.value)


@given(name=TEXT | st.none())
def test_names_of_jobs_are_names_that_google_takes(name: str | None) -> None:
    launch = launch_of(name=name)
    read = read_configuration(launch.configuration)
    job_id = request.own_job_id(read, launch.attempt_id)
    check_job(job_id, request.own_job(read, launch))
    assert job_id.endswith(launch.attempt_id.hex)
    assert job_id == request.own_job_id(read, launch.attempt_id)


@given(theirs=st.dictionaries(TEXT, TEXT, max_size=90))
def test_labels_are_labels_that_google_takes_and_ours_win(theirs: dict[str, str]) -> None:
    ours = {"skylift-attempt": "x", "skylift-role": "run"}
    found = to_labels({**theirs, "Skylift-Attempt": "theirs"}, ours)
    assert len(found) <= 64
    assert ours.items() <= found.items()
    for key, value in found.items():
        assert LABEL_KEY.fullmatch(key)
        assert LABEL_VALUE.fullmatch(value)


@given(
    env=st.dictionaries(st.text(string.ascii_uppercase, min_size=1, max_size=8), TEXT, max_size=6),
    secret=st.text(string.ascii_letters, min_size=8, max_size=20),
    where=st.sampled_from(["whole", "inside"]),
)
def test_no_secret_value_is_ever_in_a_job(env: dict[str, str], secret: str, where: str) -> None:
    without = read_configuration(launch_of(frozenset(), env=env).configuration)
    assume(secret not in str(request.own_job(without, launch_of(frozenset(), env=env), "s", {})))
    value = secret if where == "whole" else f"postgres://u:{secret}@db/x"
    launch = launch_of(frozenset([secret]), env={**env, "TOKEN": value})
    hidden = request.secret_values(read_configuration(launch.configuration), launch.secrets)
    body = request.own_job(read_configuration(launch.configuration), launch, "s", dict.fromkeys(hidden, "1"))
    assert secret not in str(body)
    assert "TOKEN" in hidden
