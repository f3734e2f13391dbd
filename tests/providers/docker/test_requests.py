"""Pure: what of a job configuration becomes of the container's description."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.provider import Rejected, Unreachable
from skylift_docker import DockerProvider, secret_env
from skylift_docker.engines import Address, address_of
from skylift_docker.request import (
    Creation,
    RegistryCredentials,
    auth_for,
    container_name,
    create_request,
    pull_policy,
    read_configuration,
    registry_of,
)
from tests.providers.contract import new_launch

SECRET = "hunter2-hunter2"
BASE: dict[str, Any] = {"command": ["true"], "env": {}, "image": "registry.local/tool:1"}


def made(hidden: tuple[str, ...] = (), **variables: Any) -> Creation:
    launch = replace(new_launch({**BASE, **variables}), secrets=frozenset(hidden))
    return create_request(read_configuration(launch.configuration), launch)


def refusal(hidden: tuple[str, ...] = (), **variables: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        made(hidden, **variables)
    assert caught.value.remedy
    assert SECRET not in f"{caught.value} {caught.value.remedy}"
    return caught.value


def test_the_default_template_can_be_read() -> None:
    template = DockerProvider().base_job_template()
    properties, job = template["variables"]["properties"], template["job_configuration"]
    assert {key for key in job if job[key]} == set(properties) - {"capacity_fallbacks"}
    defaults = {key: each["default"] for key, each in properties.items() if "default" in each}
    read = read_configuration({"command": ["true"], **defaults})
    assert read.image == defaults["image"]
    assert job["engine"] is None, "no variable leads there: a run must not choose the engine"


def test_every_variable_has_its_place() -> None:
    creation = made(
        cpus=1.5,
        mem_limit="512m",
        memswap_limit="1g",
        shm_size="256m",
        gpus="all",
        user="1000:1000",
        platform="linux/arm64",
        networks=["one", "two", "three"],
        volumes=["/data:/data:ro"],
        secrets={"db_password": "/etc/skylift/db"},
        entrypoint=["/entry"],
        working_dir="/app",
        init=True,
        privileged=True,
        labels={"team": "ours"},
        env={"A": "b"},
        container_create_kwargs={"extra_hosts": {"db": "10.0.0.1"}, "mem_limit": "1g"},
    )
    arguments = creation.arguments
    assert arguments["nano_cpus"] == 1_500_000_000
    assert arguments["mem_limit"] == "1g", "container_create_kwargs come last"
    assert arguments["device_requests"] == [{"capabilities": [["gpu"]], "count": -1}]
    assert (arguments["network"], creation.more_networks) == ("one", ("two", "three"))
    assert arguments["volumes"] == ["/data:/data:ro", "/etc/skylift/db:/run/secrets/db_password:ro"]
    assert arguments["environment"]["A"] == "b"
    for name in ("memswap_limit", "shm_size", "user", "platform", "entrypoint", "working_dir", "init", "privileged"):
        assert name in arguments
    assert arguments["extra_hosts"] == {"db": "10.0.0.1"}


def test_gpus_may_be_counted_or_named() -> None:
    assert made(gpus=2).arguments["device_requests"] == [{"capabilities": [["gpu"]], "count": 2}]
    assert made(gpus=["0"]).arguments["device_requests"] == [{"capabilities": [["gpu"]], "device_ids": ["0"]}]


def test_what_is_not_asked_for_is_left_to_the_engine() -> None:
    assert set(made().arguments) == {"image", "command", "environment", "labels"}


def test_our_labels_win() -> None:
    labels = made(labels={"io.skylift.attempt": "mine", "team": "ours"}).arguments["labels"]
    assert labels["team"] == "ours"
    UUID(labels["io.skylift.attempt"])


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"image": ""}, "image"),
        ({"mem_limit": "much"}, "mem_limit"),
        ({"cpus": 0}, "cpus"),
        ({"colour": "blue"}, "colour"),
        ({"networks": ["one"], "network_mode": "host"}, "networks"),
        ({"secrets": {"a/b": "/x"}}, "secrets"),
        ({"secrets": {"a": "relative"}}, "secrets"),
        ({"pool_secret": "relative"}, "pool_secret"),
        ({"container_create_kwargs": {"restart_policy": {"Name": "always"}}}, "restart_policy"),
        ({"container_create_kwargs": {"auto_remove": True}}, "auto_remove"),
        ({"container_create_kwargs": {"nonsense": 1}}, "nonsense"),
        ({"engine": "../../etc"}, "engine"),
        ({"command": ["a\0b"]}, "NUL"),
    ],
)
def test_what_cannot_be_used_is_named(variables: dict[str, Any], told: str) -> None:
    assert told in str(refusal(**variables))


@pytest.mark.parametrize(
    "variables",
    [
        {"command": ["echo", f"x{SECRET}"]},
        {"labels": {"a": SECRET}},
        {"labels": {SECRET: "a"}},
        {"name": SECRET},
        {"volumes": [f"/{SECRET}:/x"]},
        {"container_create_kwargs": {"dns_search": [{"deep": SECRET}]}},
    ],
)
def test_a_secret_stands_nowhere_else(variables: dict[str, Any]) -> None:
    assert "secret" in str(refusal((SECRET,), **variables))


def test_secret_variables_go_into_a_file() -> None:
    creation = made((SECRET,), env={"TOKEN": f"Bearer {SECRET}", "PLAIN": "x"})
    assert creation.secret_env == {"TOKEN": f"Bearer {SECRET}"}
    assert creation.arguments["environment"]["PLAIN"] == "x"
    assert SECRET not in json.dumps(creation.arguments)
    assert SECRET not in repr(creation)
    assert creation.arguments["command"][0] == "/bin/sh"
    assert creation.arguments["command"][-1] == "true"
    assert "my.name" in str(refusal((SECRET,), env={"my.name": SECRET}))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_value_comes_through_the_file(value: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(secret_env.archive({"X": value}))) as tar:
        (file,) = (each for each in tar if each.isfile())
        content = tar.extractfile(file)
        assert content
        assert content.read().decode() in (f"X={value}\n", f"X='{value.replace(chr(39), _QUOTE)}'\n")


_QUOTE = "'\"'\"'"


def test_a_shell_reads_the_file_and_empties_it(tmp_path: Path) -> None:
    value = "a 'b' \"c\" $HOME `id`\nsecond line \\ end"
    with tarfile.open(fileobj=io.BytesIO(secret_env.archive({"X": value}))) as tar:
        tar.extractall(tmp_path, filter="tar")
    file = tmp_path / secret_env.FOLDER / "env"
    script = secret_env.SCRIPT.replace(secret_env.FILE, str(file))
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", "printenv", "X"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/bin"},
    )
    assert done.stdout == value + "\n"
    assert not file.exists()


def test_the_pool_secret_is_read_inside() -> None:
    creation = made(env={"SKYLIFT_NONCE": "n"}, command=["python3", "-c", "pass"], pool_secret="/etc/pool")
    assert creation.arguments["volumes"] == ["/etc/pool:/run/secrets/skylift_pool_secret:ro"]
    command = creation.arguments["command"]
    assert command[:3] == ["python3", "-I", "-c"]
    assert command[4:] == ["python3", "-c", "pass"]
    assert "volumes" not in made(pool_secret="/etc/pool").arguments, "a bare command is admitted by nobody"


def test_names_are_the_engines() -> None:
    attempt = UUID(int=7)
    assert container_name("brave otter/1", attempt) == f"brave-otter-1-{attempt}"
    assert container_name(None, attempt) == f"skylift-{attempt}"
    assert container_name("ä" * 100, attempt) == f"skylift-{attempt}"
    assert len(container_name("a" * 1000, attempt)) < 128


@pytest.mark.parametrize(
    ("image", "policy", "registry"),
    [
        ("tool", "Always", "docker.io"),
        ("team/tool:latest", "Always", "docker.io"),
        ("tool:1", "IfNotPresent", "docker.io"),
        ("index.docker.io/team/tool:1", "IfNotPresent", "docker.io"),
        ("localhost:5000/tool", "Always", "localhost:5000"),
        ("localhost/tool:2", "IfNotPresent", "localhost"),
        ("ghcr.io/a/b@sha256:0123", "IfNotPresent", "ghcr.io"),
    ],
)
def test_images(image: str, policy: str, registry: str) -> None:
    assert pull_policy(read_configuration({**BASE, "image": image})) == policy
    assert registry_of(image) == registry
    assert pull_policy(read_configuration({**BASE, "image": image, "image_pull_policy": "Never"})) == "Never"


def test_credentials_go_to_their_registry_alone() -> None:
    known = RegistryCredentials(username="me", password=SECRET, registry_url="https://ghcr.io")
    assert auth_for("ghcr.io/a/b:1", known) == {
        "username": "me",
        "password": SECRET,
        "serveraddress": "https://ghcr.io",
    }
    assert auth_for("evil.example/a/b:1", known) is None
    assert auth_for("a/b:1", known) is None
    hub = RegistryCredentials(username="me", password=SECRET, registry_url="https://index.docker.io/v1/")
    assert auth_for("a/b:1", hub)
    assert auth_for("a/b:1", None) is None
    assert SECRET not in str(refusal(registry_credentials={"username": 1, "password": SECRET}))


def test_only_the_operator_names_engines() -> None:
    told = {
        "DOCKER_HOST": "unix:///run/one.sock",
        "SKYLIFT_DOCKER_HOST_GPU_BOX": "tcp://gpu:2376",
        "SKYLIFT_DOCKER_CERT_PATH_GPU_BOX": "/certs",
    }
    assert address_of(None, told) == Address("unix:///run/one.sock")
    assert address_of("gpu-box", told) == Address("tcp://gpu:2376", "/certs")
    plain = {"DOCKER_HOST": "tcp://one:2376", "DOCKER_CERT_PATH": "/all", "DOCKER_TLS_VERIFY": "1"}
    assert address_of(None, plain) == Address("tcp://one:2376", "/all")
    with pytest.raises(Rejected) as caught:
        address_of("other", told)
    assert "SKYLIFT_DOCKER_HOST_OTHER" in str(caught.value.remedy)


def test_no_engine_is_a_matter_of_reaching_it() -> None:
    provider = DockerProvider({"DOCKER_HOST": "tcp://127.0.0.1:1"})
    launch = new_launch(BASE)
    with pytest.raises(Unreachable) as caught:
        provider.launch(launch)
    assert caught.value.remedy
    (finding,) = provider.check(BASE)
    assert (finding.what, finding.verdict) == ("Engine", "failed")
    assert provider.quota(BASE) is None
