"""From a job configuration to what Modal is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.provider import Launch, Rejected
from skylift.templates import Fetched, render
from skylift_modal import ModalProvider, request
from tests.clouds.modal_sandboxes import NAME, TAG
from tests.providers.contract import new_launch

SECRET = "hunter2-hunter2"


def launch_of(**configuration: Any) -> Launch:
    return new_launch({"command": ["true"], "env": {}, **configuration})


def test_the_template_renders_to_a_configuration() -> None:
    template = ModalProvider().base_job_template()
    rendered = render(template, [], context={}, lookup=Fetched()).configuration
    plan = request.plan(new_launch({**rendered, "command": ["true"], "env": {}}))
    assert plan.image == request.ImagePlan("prefecthq/prefect:3-latest", None, None, ())
    assert plan.options == {"timeout": 24 * 3600}


def test_names_of_modals_secrets_are_no_secrets() -> None:
    """Though the variables that hold them sound so."""
    template = ModalProvider().base_job_template()
    names = {"pool_secret": "admission", "registry_secret": "registry", "secrets": ["database"]}
    for name, value in names.items():
        template["variables"]["properties"][name]["default"] = value
    rendered = render(template, [], context={}, lookup=Fetched())
    launch = new_launch({**rendered.configuration, "command": ["true"], "env": {}})
    plan = request.plan(replace(launch, secrets=rendered.secrets))
    assert plan.secret_names == ("database", "admission")


def test_each_variable_of_the_template_reaches_the_configuration() -> None:
    template = ModalProvider().base_job_template()
    variables = set(template["variables"]["properties"]) - {"capacity_fallbacks"}
    used = {value.strip("{} ") for value in template["job_configuration"].values()}
    assert used == variables
    assert set(template["job_configuration"]) == set(request.Configuration.model_fields)
    assert all(each["description"] and each["title"] for each in template["variables"]["properties"].values())


def test_a_full_configuration() -> None:
    launch = launch_of(
        env={"A": "1"},
        name="nightly",
        labels={"prefect.io/flow-name": "my flow", "team": "data"},
        image="registry.example/flows:1",
        registry_secret="registry",
        python_version="3.12",
        image_packages=["pandas==2.2"],
        cpu=0.5,
        cpu_limit=2,
        memory=512,
        memory_limit=1024,
        gpu="T4:2",
        cloud="aws",
        region=["us-east", "eu"],
        timeout_seconds=90.5,
        idle_timeout=600,
        working_dir="/work",
        outbound_domain_allowlist=["*.example.org"],
        secrets=["db"],
        volumes={"/data": "numbers"},
        pool_secret="skylift-pool",
        include_oidc_identity_token=True,
    )
    plan = request.plan(launch)
    assert plan.name == f"skylift-{launch.attempt_id.hex}"
    assert plan.env == {"A": "1", "SKYLIFT_ATTEMPT": str(launch.attempt_id)}
    assert plan.image == request.ImagePlan("registry.example/flows:1", "registry", "3.12", ("pandas==2.2",))
    assert plan.secret_names == ("db", "skylift-pool")
    assert plan.volumes == {"/data": "numbers"}
    assert plan.options == {
        "timeout": 91,
        "idle_timeout": 600,
        "workdir": "/work",
        "cpu": (0.5, 2),
        "memory": (512, 1024),
        "gpu": "T4:2",
        "cloud": "aws",
        "region": ["us-east", "eu"],
        "outbound_domain_allowlist": ["*.example.org"],
        "include_oidc_identity_token": True,
    }
    assert plan.tags == {
        "prefect.io-flow-name": "my-flow",
        "team": "data",
        "name": "nightly",
        "skylift": "attempt",
        "skylift-attempt": str(launch.attempt_id),
        "skylift-installation": str(launch.installation_id),
        "skylift-flow-run": str(launch.flow_run_id),
    }


def test_no_sandbox_is_asked_to_live_longer_than_a_day() -> None:
    assert request.plan(launch_of(timeout_seconds=24 * 3600 + 90)).options["timeout"] == 24 * 3600


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"memory": -1}, "memory"),
        ({"memory_limit": 100}, "memory_limit"),
        ({"memory": 200, "memory_limit": 100}, "memory_limit"),
        ({"cpu": 2, "cpu_limit": 1}, "cpu_limit"),
        ({"command": []}, "command"),
        ({"command": ["x" * 70_000]}, "command"),
        ({"env": {"NOT-A-NAME": SECRET}}, "NOT-A-NAME"),
        ({"working_dir": "relative"}, "working_dir"),
        ({"python_version": SECRET}, "python_version"),
        ({"app_name": f"not a name {SECRET}"}, "app_name"),
        ({"modal_credentials": {"token_id": "ak-1"}}, "modal_credentials"),
        ({"registry_secret": "registry"}, "registry_secret"),
        ({"block_network": True, "outbound_cidr_allowlist": []}, "block_network"),
        ({"block_network": True, "env": {"SKYLIFT_NONCE": SECRET}}, "block_network"),
        ({"unheard_of": SECRET}, "unheard_of"),
    ],
)
def test_what_cannot_work_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(Rejected) as caught:
        request.plan(launch_of(**wrong))
    assert named in str(caught.value)
    assert caught.value.remedy
    assert SECRET not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize(
    "shown",
    [
        {"command": ["tool", f"--key={SECRET}"]},
        {"labels": {"key": SECRET}},
        {"name": SECRET},
        {"image": f"registry.example/{SECRET}:1"},
        {"image_packages": [f"https://user:{SECRET}@packages.example/wheel"]},
        {"volumes": {f"/{SECRET}": "numbers"}},
        {"region": [SECRET]},
    ],
)
def test_a_secret_where_it_would_be_shown_is_refused(shown: dict[str, Any]) -> None:
    launch = replace(launch_of(**shown), secrets=frozenset([SECRET]))
    with pytest.raises(Rejected) as caught:
        request.plan(launch)
    assert SECRET not in f"{caught.value} {caught.value.remedy}"


def test_a_token_is_no_field_that_is_shown() -> None:
    credentials = {"token_id": "ak-1", "token_secret": SECRET, "block_type": "modal-credentials"}
    launch = replace(launch_of(modal_credentials=credentials), secrets=frozenset([SECRET]))
    assert SECRET not in repr(request.plan(launch))
    assert SECRET not in repr(request.read_place(launch.configuration))


@given(st.text(min_size=1))
def test_whatever_a_label_says_it_becomes_a_tag(text: str) -> None:
    plan = request.plan(launch_of(labels={text: text}))
    assert all(TAG.fullmatch(name) and TAG.fullmatch(value) for name, value in plan.tags.items())


@given(st.uuids())
def test_a_name_tells_its_attempt(attempt_id: Any) -> None:
    name = request.sandbox_name(attempt_id)
    assert NAME.fullmatch(name)
    assert request.attempt_of(name) == attempt_id


@pytest.mark.parametrize(
    "name", ["", "skylift-", "skylift-nothing", "5f0c8f0e-3c1b-4a53-9d3c-5c9a1f3d7b11", "another's"]
)
def test_other_names_tell_of_no_attempt(name: str) -> None:
    assert request.attempt_of(name) is None


def test_ours_win_over_labels() -> None:
    launch = launch_of(labels={"skylift-attempt": "mine", "skylift": "mine"})
    tags = request.plan(launch).tags
    assert tags["skylift-attempt"] == str(launch.attempt_id)
    assert json.dumps(dict(tags)).count("mine") == 0
