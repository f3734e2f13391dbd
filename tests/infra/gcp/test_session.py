"""The tutorial's session for `my-cloud-run-pool` at a terminal, over a real `skylift serve`, with a run at its end."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.conftest import ROOT
from tests.clouds.google_project import PERSON, LocalGoogleProject
from tests.infra.journeys import creating, registry_is_handed_over
from tests.support import desk as support
from tests.support.docker import Tools
from tests.support.service import clean_environment, client_environment, serving
from tests.support.terminal import Terminal

PREFECT = ROOT / ".venv-prefect" / "bin" / "prefect"
PROJECT = "central-kit-405415"
CREATE = ("work-pool", "create", "--type", "cloud-run:push", "--provision-infra", "my-cloud-run-pool")


@dataclass
class Desk:
    """Somebody's machine, with Skylift on it and the local Google as the cloud."""

    cloud: LocalGoogleProject
    url: str
    folder: Path
    tools: Tools

    @property
    def env(self) -> dict[str, str]:
        env = client_environment(self.url, self.folder) | {"SKYLIFT_API_URL": self.url}
        env |= {"PATH": f"{self.tools.folder}:{os.environ['PATH']}"}
        env |= {"GOOGLE_APPLICATION_CREDENTIALS": str(self.folder / "key.json")}
        return env | {"SKYLIFT_HOME": str(self.folder / "client"), "SKYLIFT_GOOGLE_ENDPOINT": self.cloud.url}

    def types(self, *args: str) -> Terminal:
        return Terminal([sys.executable, "-m", "skylift", *args], self.env, self.folder)

    def read(self, *args: str) -> Any:
        with self.types(*args, "-o", "json") as terminal:
            code = terminal.end()
        assert code == 0, terminal.said
        return json.loads(terminal.said)


@pytest.fixture
def desk(cloud: LocalGoogleProject, tmp_path: Path) -> Iterator[Desk]:
    cloud.projects["other-project"] = "Another one"
    home = tmp_path / "serve"
    home.mkdir()
    (tmp_path / "key.json").write_text(json.dumps(cloud.key_of_person()))
    with serving(home, SKYLIFT_GOOGLE_ENDPOINT=cloud.url) as ready:
        yield Desk(cloud, ready.url, tmp_path, Tools.at(tmp_path / "tools"))


def test_no_changes_nothing(desk: Desk) -> None:
    before = desk.cloud.everything(), set(desk.cloud.resources.services)
    with desk.types(*CREATE) as terminal:
        terminal.until("Google Cloud project: ")
        terminal.type(PROJECT)
        terminal.until("Proceed with infrastructure provisioning? [y/N]: ")
        terminal.type("n")
        assert terminal.end() == 0, terminal.said
    assert (desk.cloud.everything(), set(desk.cloud.resources.services)) == before
    assert desk.read("work-pool", "ls") == []


@pytest.mark.parametrize("way", ["--canary", pytest.param("--with-key", marks=pytest.mark.long)])
def test_the_tutorials_session(desk: Desk, way: str) -> None:
    before = desk.cloud.everything()
    with desk.types(*CREATE, "--canary", *([] if way == "--canary" else [way])) as terminal:
        terminal.until("Google Cloud project: ")
        assert "central-kit-405415  Central kit" in terminal.said
        terminal.type(PROJECT)
        terminal.until("Proceed with infrastructure provisioning? [y/N]: ")
        panel = terminal.said
        terminal.type("y")
        terminal.until("Prefect's default build namespace? [y/N]: ")
        terminal.type("n")
        assert terminal.end() == 0, terminal.said
    in_order(
        panel,
        "Provisioning infrastructure for your work pool my-cloud-run-pool will require:",
        f"Updates in GCP project {PROJECT} in region us-central1",
        "- Activate Cloud Run API",
        "- Activate Artifact Registry API",
        "- Create Artifact Registry repository skylift-my-cloud-run-pool-",
        "- Create service account skylift-my-clou-",
        "- Create custom role skylift_my_cloud_run_pool_",
        "- Grant Service Account User on ",
        "Updates in Skylift",
        "- Create gcp-credentials block my-cloud-run-pool-gcp-credentials to store "
        + ("which service account to impersonate" if way == "--canary" else "the service account key"),
    )
    assert ("--with-key" in panel) == (way == "--canary"), "a key is offered where there is none"
    in_order(
        terminal.said.removeprefix(panel),
        "Activating Cloud Run API",
        "Activating Artifact Registry API",
        "Creating Artifact Registry repository",
        "Creating service account",
        "Granting custom role",
        *([] if way == "--canary" else ["Creating key of service account"]),
        "Creating gcp-credentials block my-cloud-run-pool-gcp-credentials",
        "100%",
        "Infrastructure successfully provisioned!",
        f"Images for this pool go to us-central1-docker.pkg.dev/{PROJECT}/skylift-my-cloud-run-pool-",
        "gcloud auth configure-docker us-central1-docker.pkg.dev",
        "prefect config set PREFECT_DEFAULT_DOCKER_BUILD_NAMESPACE=us-central1-docker.pkg.dev",
        "hello.deploy('first', work_pool_name='my-cloud-run-pool'",
        "Pushing a first run through the pool",
        "Completed",
        "Created work pool 'my-cloud-run-pool'",
    )
    assert "PRIVATE KEY" not in terminal.said
    (container,) = desk.cloud.containers.all.values()
    assert "Hello from your work pool" in str(container.lines)
    account = next(each.body for each in desk.cloud.run.jobs.values())["template"]["template"]["serviceAccount"]
    assert account.startswith("skylift-my-clou-")
    assert desk.read("work-pool", "provision-infra", "my-cloud-run-pool", "--dry-run")["changes"] == 0
    with desk.types("work-pool", "destroy-infra", "my-cloud-run-pool", "--yes") as terminal:
        assert terminal.end() == 0, terminal.said
    assert desk.cloud.everything() == before
    assert desk.read("block", "ls") == []


def test_without_a_terminal_what_is_missing_is_named(cloud: LocalGoogleProject, tmp_path: Path) -> None:
    cloud.projects["other-project"] = "Another one"
    env = clean_environment() | {"SKYLIFT_HOME": str(tmp_path), "SKYLIFT_GOOGLE_ENDPOINT": cloud.url}
    command = [sys.executable, "-m", "skylift", *CREATE, "--yes"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Missing option '--project'" in done.stderr
    assert "central-kit-405415, other-project" in done.stderr
    command += ["--project", PROJECT, "--subnets", "x"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "--subnets means nothing to work pools of type 'cloud-run:push'" in done.stderr


@pytest.mark.long
def test_the_commands_of_the_page(desk: Desk) -> None:
    """docs/provision/gcp.md, in the order of the page; the first one asks, and is refused."""
    page = (ROOT / "docs" / "provision" / "gcp.md").read_text(encoding="utf-8")
    first, *lines = [line.removeprefix("$ skylift ") for line in page.splitlines() if line.startswith("$ skylift ")]
    assert tuple(shlex.split(first)) == CREATE
    with desk.types(*shlex.split(first)) as terminal:
        terminal.until("Google Cloud project: ")
        terminal.type(PROJECT)
        terminal.until("[y/N]: ")
        terminal.type("n")
        assert terminal.end() == 0, terminal.said
    assert len(lines) > 8
    for line in lines:
        with desk.types(*shlex.split(line)) as terminal:
            assert terminal.end() == 0, f"{line}\n{terminal.said}"
        if line.startswith("work-pool check"):
            assert "failed" not in terminal.said.lower(), terminal.said


@pytest.mark.long
def test_docker_and_prefect_are_told_of_the_registry(desk: Desk) -> None:
    with httpx.Client(base_url=desk.url, timeout=30) as api:
        other = support.Desk(desk.env, api, desk.folder)
        create = (*creating("cloud-run:push"), "--project", PROJECT)
        password = registry_is_handed_over(other, desk.tools, create, "oauth2accesstoken")
    assert (desk.cloud.tokens or {})[password] == PERSON


@pytest.mark.long
def test_the_unmodified_prefect_client(desk: Desk) -> None:
    """At a terminal, with a stand-in for the `gcloud` that it calls; and the pool that it makes runs flows."""
    tools = desk.folder / "gcloud"
    tools.mkdir()
    gcloud = tools / "gcloud"
    gcloud.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "tests/infra/gcp/gcloud.py"} "$@"\n')
    gcloud.chmod(0o755)
    env = desk.env | {"PATH": f"{tools}:{desk.env['PATH']}"}
    command = [
        str(PREFECT),
        "work-pool",
        "create",
        "--type",
        "cloud-run:push",
        "--provision-infra",
        "my-cloud-run-pool",
    ]
    with Terminal(command, env, desk.folder) as terminal:
        for question in ("select which GCP project", "Proceed with infrastructure provisioning with default"):
            terminal.until(question)
            time.sleep(1.0)  # it draws its table before it listens
            terminal.type("")
        assert terminal.end() == 0, terminal.said
    in_order(
        terminal.said,
        "Provisioning infrastructure for your work pool my-cloud-run-pool will require:",
        "Creating GCP credentials block",
        "Infrastructure successfully provisioned for 'my-cloud-run-pool' work pool!",
        "Created work pool 'my-cloud-run-pool'!",
    )
    with httpx.Client(base_url=desk.url, timeout=30) as api:
        flow = api.post("flows/", json={"name": "hello"}).json()
        body = {"name": "first", "flow_id": flow["id"], "work_pool_name": "my-cloud-run-pool", "engine": "command"}
        variables = {"command": "echo hello", "project": PROJECT}
        api.post("deployments/", json=body | {"job_variables": variables}).raise_for_status()
    run = [str(PREFECT), "--no-prompt", "deployment", "run", "hello/first", "--watch"]
    said = subprocess.run(run, env=env, cwd=desk.folder, capture_output=True, text=True, timeout=100).stdout
    assert "Completed" in said, said
    (container,) = desk.cloud.containers.all.values()
    assert container.exit_code == 0


def in_order(shown: str, *parts: str) -> None:
    """Each is there, after the one before."""
    at = 0
    for part in parts:
        found = shown.find(part, at)
        assert found >= 0, f"{part!r} is not there, or not in its place:\n{shown}"
        at = found + len(part)
