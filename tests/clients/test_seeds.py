"""The two tutorials that Skylift set out from, typed into the real Prefect: docs/seeds-errata.md says where their text
could not be taken as it stands.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import HOST, Prefect, Server, until
from tests.support.service import PATIENCE, client_environment, serving

# The tutorial's flow; its decorator and the address that it asks are lost in the seed.
TUTORIAL_FLOW = """\
import httpx
from prefect import flow

@flow(log_prints=True)
def get_repo_info(repo_name: str = "PrefectHQ/prefect"):
    url = f"{address}/repos/{{repo_name}}"
    response = httpx.get(url)
    response.raise_for_status()
    repo = response.json()
    print(f"{{repo_name}} repository statistics 🤓:")
    print(f"Stars 🌠 : {{repo['stargazers_count']}}")
    print(f"Forks 🍴 : {{repo['forks_count']}}")

@flow(log_prints=True)
def my_flow(name: str = "world"):
    print(f"Hello {{name}}!")
"""
TUTORIAL_DEPLOY = """\
from prefect import flow

if __name__ == "__main__":
    flow.from_source(
        source="https://github.com/prefecthq/demos.git",
        entrypoint="my_gh_workflow.py:get_repo_info",
    ).deploy(
        name="my-first-deployment",
        work_pool_name="my-managed-pool",
    )
"""
PREFECT_YAML = """\
deployments:
- name: demo-deployment
  entrypoint: demo_project/demo_flow.py:some_work
  work_pool:
    name: above-ground
    job_variables:
        stream_output: false
"""
DEMO_FLOW = """\
from prefect import flow

@flow(log_prints=True)
def some_work():
    print("worked")
"""
# The seed's example, with the brackets that it lost.
BASE_JOB_TEMPLATE: dict[str, Any] = {
    "job_configuration": {
        "command": "{{ command }}",
        "env": "{{ env }}",
        "labels": "{{ labels }}",
        "name": "{{ name }}",
        "stream_output": "{{ stream_output }}",
        "working_dir": "{{ working_dir }}",
    },
    "variables": {
        "type": "object",
        "properties": {
            "name": {
                "title": "Name",
                "description": "Name given to infrastructure created by a worker.",
                "type": "string",
            },
            "env": {
                "title": "Environment Variables",
                "description": "Environment variables to set when starting a flow run.",
                "type": "object",
                "additionalProperties": {"type": "string"},
            },
            "labels": {
                "title": "Labels",
                "description": "Labels applied to infrastructure created by a worker.",
                "type": "object",
                "additionalProperties": {"type": "string"},
            },
            "command": {"title": "Command", "description": "Usually left blank.", "type": "string"},
            "stream_output": {"title": "Stream Output", "default": True, "type": "boolean"},
            "working_dir": {"title": "Working Directory", "type": "string", "format": "path"},
        },
    },
}
# The seed's table of types.
TYPES = [
    "ecs:push",
    "azure-container-instance:push",
    "cloud-run:push",
    "modal:push",
    "process",
    "ecs",
    "azure-container-instance",
    "docker",
    "cloud-run",
    "cloud-run-v2",
    "vertex-ai",
    "kubernetes",
    "prefect:managed",
]


@dataclass(frozen=True, slots=True)
class Terminal:
    """Someone who has Prefect and follows the tutorial."""

    prefect: Prefect
    folder: Path
    server: Server
    python: Path

    def types(self, command: str, code: int = 0) -> str:
        """What `prefect ...` prints, word for word as typed."""
        program, *args = shlex.split(command)
        assert program == "prefect"
        return self.prefect(*args, code=code)

    def writes(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def runs(self, *command: str) -> str:
        """A program in the tutorial's folder, as `python deploy.py`."""
        done = subprocess.run(
            [str(self.python.with_name(command[0])), *command[1:]],
            env=self.server.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def logs_of(self, said: str, last: str) -> str:
        """Of the run that `prefect deployment run` named, once its last line is there."""
        found = re.search(r"UUID: ([0-9a-f-]{36})", said)
        assert found, said
        command = f"prefect flow-run logs {found.group(1)}"
        until(lambda: last in self.types(command))
        return self.types(command)


class GitHub(BaseHTTPRequestHandler):
    """Knows the statistics of one repository."""

    def do_GET(self) -> None:
        is_known = self.path == "/repos/PrefectHQ/prefect"
        body = json.dumps({"stargazers_count": 12146, "forks_count": 1245}).encode() if is_known else b"{}"
        self.send_response(200 if is_known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder in which git finds the tutorial's repository here; its flow asks a GitHub that is here, too."""
    home, work = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("demos")
    with ThreadingHTTPServer(("127.0.0.1", 0), GitHub) as endpoint:
        threading.Thread(target=endpoint.serve_forever, daemon=True).start()
        (work / "my_gh_workflow.py").write_text(
            TUTORIAL_FLOW.format(address=f"http://127.0.0.1:{endpoint.server_port}")
        )
        (home / ".gitconfig").write_text(
            f'[url "file://{work}"]\n\tinsteadOf = https://github.com/prefecthq/demos.git\n'
            "[user]\n\tname = Ann\n\temail = ann@example.com\n[init]\n\tdefaultBranch = main\n"
        )
        env = {**os.environ, "HOME": str(home)}
        for command in ("init --quiet", "add .", "commit --quiet -m demo"):
            subprocess.run(["git", *command.split()], cwd=work, env=env, check=True)
        yield home
        endpoint.shutdown()


@pytest.fixture(scope="module")
def terminal(github: Path, prefect_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """`skylift serve`, started where `prefect` is on the PATH."""
    state, folder = tmp_path_factory.mktemp("seeds"), tmp_path_factory.mktemp("tutorial")
    path = f"{prefect_python.parent}:{os.environ['PATH']}"
    with serving(state, HOME=str(github), PATH=path) as ready:
        env = client_environment(ready.url, state) | {"HOME": str(github), "PATH": path, "SKYLIFT_HOME": str(state)}
        server = Server(ready.url, env, state)
        with subprocess.Popen(
            [prefect_python, "-W", "ignore", HOST],
            env=server.env,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as host:
            yield Terminal(Prefect(host), folder, server, prefect_python)
            assert host.stdin
            host.stdin.close()
        until(lambda: not list(state.glob("process/*-*-*")))  # the last run's own last words


@pytest.mark.long
def test_the_first_tutorial(terminal: Terminal) -> None:
    """A managed pool, a flow from GitHub, a run, its logs."""
    assert "Created work pool 'my-managed-pool'" in terminal.types(
        "prefect work-pool create my-managed-pool --type prefect:managed "
    )
    assert re.search("my-managed-pool.*prefect:managed", terminal.types("prefect work-pool ls"))
    assert "WorkPoolStatus.READY" in terminal.types("prefect work-pool inspect 'my-managed-pool'")
    terminal.writes("repo_info.py", TUTORIAL_DEPLOY)
    said = terminal.runs("python", "repo_info.py")
    assert "Successfully created/updated all deployments!" in said
    assert re.search(r"get-repo-info/my-first-deployment.*applied", said)
    assert "prefect deployment run 'get-repo-info/my-first-deployment'" in said
    said = terminal.types("prefect deployment run 'get-repo-info/my-first-deployment' --watch")
    assert "Completed" in said
    logs = terminal.logs_of(said, "Finished in state Completed()")
    assert "PrefectHQ/prefect repository statistics 🤓:" in logs
    assert "Stars 🌠 : 12146" in logs
    assert "Forks 🍴 : 1245" in logs
    # The seed's own slip: neither the flow nor the deployment is called so.
    said = terminal.types("prefect deployment run 'get_repo_info/my-deployment'", code=1)
    assert "get_repo_info/my-deployment" in said


@pytest.mark.parametrize("type_", TYPES)
def test_the_default_base_job_template_of_each_type(terminal: Terminal, type_: str) -> None:
    said = terminal.types(f"prefect work-pool get-default-base-job-template --type {type_}")
    template = json.loads(said)
    assert set(template) == {"job_configuration", "variables"}
    assert {"name", "env", "command"} <= set(template["variables"]["properties"])


def test_a_pools_own_base_job_template(terminal: Terminal) -> None:
    path = terminal.writes("base-job-template.json", json.dumps(BASE_JOB_TEMPLATE))
    terminal.types("prefect work-pool create my-work-pool --type process")
    at = replace(terminal, prefect=InFolder(terminal.prefect.host, terminal.folder))
    at.types("prefect work-pool update --base-job-template base-job-template.json my-work-pool")
    read = f"from prefect.client.orchestration import get_client\nimport json\n{READ_POOL.format(name='my-work-pool')}"
    assert terminal.prefect.python(read)["base_job_template"] == BASE_JOB_TEMPLATE
    # The options of `create`, all of them.
    said = at.types(
        f"prefect work-pool create options --paused --type process --set-as-default --base-job-template {path}"
    )
    assert "Set 'options' as default work pool" in said
    made = terminal.prefect.python(read.replace("my-work-pool", "options"))
    assert (made["is_paused"], made["base_job_template"]) == (True, BASE_JOB_TEMPLATE)
    at.types("prefect work-pool update --description 'all of them' --concurrency-limit 3 options")
    made = terminal.prefect.python(read.replace("my-work-pool", "options"))
    assert (made["description"], made["concurrency_limit"]) == ("all of them", 3)


def test_a_pool_is_previewed_paused_limited_and_deleted(terminal: Terminal) -> None:
    terminal.types("prefect work-pool create test-pool --type prefect:managed")
    terminal.prefect.python(
        "from prefect import flow\n"
        "flow.from_source('https://github.com/prefecthq/demos.git', entrypoint='my_gh_workflow.py:my_flow')"
        ".deploy(name='hourly', work_pool_name='test-pool', interval=3600, print_next_steps=False)\nprint(1)"
    )
    said = terminal.types("prefect work-pool preview 'test-pool' --hours 12")
    assert len(re.findall("[0-9a-f-]{36} .* [0-9a-f-]{36}", said)) >= 3, said
    assert "(**) denotes a late run" in said
    terminal.types("prefect work-pool pause 'test-pool'")
    assert "WorkPoolStatus.PAUSED" in terminal.types("prefect work-pool inspect 'test-pool'")
    terminal.types("prefect work-pool resume 'test-pool'")
    assert "WorkPoolStatus.READY" in terminal.types("prefect work-pool inspect 'test-pool'")
    terminal.types("prefect work-pool set-concurrency-limit 'test-pool' 5")
    assert "concurrency_limit=5" in terminal.types("prefect work-pool inspect 'test-pool'")
    terminal.types("prefect work-pool clear-concurrency-limit 'test-pool'")
    assert "concurrency_limit=" not in terminal.types("prefect work-pool inspect 'test-pool'")
    terminal.types("prefect work-pool delete 'test-pool'")
    assert "test-pool" not in terminal.types("prefect work-pool ls")


@pytest.mark.long
def test_job_variables_in_prefect_yaml(terminal: Terminal) -> None:
    """`stream_output` is a word of Prefect's own worker, which pulls the run and completes it."""
    terminal.types("prefect work-pool create above-ground --type process")
    terminal.writes("prefect.yaml", PREFECT_YAML)
    terminal.writes("demo_project/demo_flow.py", DEMO_FLOW)
    terminal.runs("prefect", "--no-prompt", "deploy", "--all")
    assert "'stream_output': False" in terminal.types("prefect deployment inspect 'some-work/demo-deployment'")
    said = terminal.types("prefect deployment run 'some-work/demo-deployment'")
    terminal.runs("prefect", "worker", "start", "--pool", "above-ground", "--run-once")
    assert "worked" in terminal.logs_of(said, "Finished in state Completed()")
    [uuid] = re.findall(r"UUID: ([0-9a-f-]{36})", said)
    assert "type=StateType.COMPLETED" in terminal.types(f"prefect flow-run inspect {uuid}")


@pytest.mark.long
def test_critical_work_comes_before_high_and_high_before_low(terminal: Terminal) -> None:
    terminal.types("prefect work-pool create priorities --type prefect:managed --paused")
    terminal.types("prefect work-pool set-concurrency-limit priorities 1")
    terminal.types("prefect work-queue create low --pool priorities --priority 10")
    terminal.types("prefect work-queue create high --pool priorities --priority 5 --limit 3")
    terminal.types("prefect work-queue create critical --pool priorities --priority 1 --limit 1")
    started: dict[str, str] = {}
    for queue in ("low", "high", "critical"):
        terminal.prefect.python(
            "from prefect import flow\n"
            "flow.from_source('https://github.com/prefecthq/demos.git', entrypoint='my_gh_workflow.py:my_flow')"
            f".deploy(name={queue!r}, work_pool_name='priorities', work_queue_name={queue!r}, print_next_steps=False)\n"
            "print(1)"
        )
        said = terminal.types(f"prefect deployment run my-flow/{queue} --param name={queue}")
        started[queue] = re.findall(r"UUID: ([0-9a-f-]{36})", said)[0]
    terminal.types("prefect work-pool resume priorities")
    ended = {
        queue: terminal.prefect.python(WAIT_FOR_RUN.format(id=started[queue])) for queue in ("low", "high", "critical")
    }
    assert {run["state_type"] for run in ended.values()} == {"COMPLETED"}
    assert ended["critical"]["start_time"] < ended["high"]["start_time"] < ended["low"]["start_time"]
    assert "Hello critical!" in terminal.types(f"prefect flow-run logs {started['critical']}")


READ_POOL = """
with get_client(sync_client=True) as client:
    print(client.read_work_pool({name!r}).model_dump_json())
"""
WAIT_FOR_RUN = """
import time
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as client:
    deadline = time.monotonic() + 90
    while not (run := client.read_flow_run({id!r})).state.is_final() and time.monotonic() < deadline:
        time.sleep(0.3)
    print(run.model_dump_json(include={{"state_type", "start_time"}}))
"""


@dataclass(frozen=True, slots=True)
class InFolder(Prefect):
    """Prefect's command line, started in a folder."""

    folder: Path

    def _ask(self, order: dict[str, Any], code: int) -> str:
        return Prefect._ask(self, {**order, "cwd": str(self.folder)}, code)
