"""`skylift deploy`: what a file may say, and what is told where it says something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skylift.cli.options import seconds
from tests.cli.conftest import EXAMPLES, Skylift

FLOWS = "def greet(name: str, times: int = 1): ...\n"


@pytest.fixture
def deploy(skylift: Skylift, tmp_path: Path) -> Any:
    """Deploys the text of a file; with `says` it expects to be refused."""
    skylift("work-pool", "create", "local", "--type", "process:push")
    (tmp_path / "flows.py").write_text(FLOWS)
    file = tmp_path / "skylift.yaml"

    def call(text: str, *options: str, says: str | None = None, code: int = 1) -> Any:
        file.write_text(text)
        if says is None:
            return [each["deployment"] for each in skylift.json("deploy", str(file), *options)]
        # Programs get a list all the same where something may have been written: never here.
        said = skylift("deploy", str(file), *options, code=code).stderr
        assert says in said
        assert skylift.json("deployment", "ls") == []
        return said

    return call


PYTHON = "deployments:\n  - name: d\n    entrypoint: flows.py:greet\n    work_pool: {name: local}\n"
COMMAND = "deployments:\n  - name: d\n    command: echo hello\n    work_pool: {name: local}\n"


def test_a_python_entrypoint(deploy: Any, tmp_path: Path) -> None:
    made = deploy(PYTHON)[0]
    assert (made["flow_name"], made["name"], made["engine"]) == ("greet", "d", "python")
    assert made["path"] == str(tmp_path)
    assert made["work_queue_name"] == "default"
    assert made["parameter_openapi_schema"]["required"] == ["name"]


def test_a_command(deploy: Any) -> None:
    made = deploy(COMMAND)[0]
    assert (made["flow_name"], made["engine"], made["job_variables"]) == ("d", "command", {"command": "echo hello"})
    made = deploy(COMMAND.replace("echo hello", "[echo, 'two words']"))[0]
    assert made["job_variables"] == {"command": "echo 'two words'"}


def test_the_examples_deploy_and_deploying_again_moves_no_slot(skylift: Skylift, deploy: Any) -> None:
    file = str(EXAMPLES / "skylift.yaml")
    first = skylift.json("deploy", file, "--all")
    assert [each["status"] for each in first] == ["created"] * 3
    skylift("dispatch", "--once")
    before = skylift.json("deployment", "slots", "greet/every-few-seconds")
    assert before
    again = skylift.json("deploy", file, "--all")
    assert [each["status"] for each in again] == ["updated"] * 3
    assert [each["deployment"]["id"] for each in again] == [each["deployment"]["id"] for each in first]
    assert again[0]["deployment"]["schedules"][0]["id"] == first[0]["deployment"]["schedules"][0]["id"]
    assert skylift.json("deployment", "slots", "greet/every-few-seconds") == before


def test_which_of_several_must_be_said(skylift: Skylift, deploy: Any) -> None:
    text = COMMAND + COMMAND.removeprefix("deployments:\n").replace("name: d", "name: e")
    deploy(text, says="--all", code=2)
    deploy(text, "--name", "x", says="'x'", code=2)
    assert [each["name"] for each in deploy(text, "--name", "e/e")] == ["e"]
    assert [each["name"] for each in deploy(text, "--all")] == ["d", "e"]


def test_schedules_of_all_kinds(deploy: Any) -> None:
    schedules = """    catchup_seconds: 10m
    parameters: {name: x}
    schedules:
      - {cron: "0 9 * * MON", timezone: Europe/Paris, day_or: false, slug: weekly}
      - {interval: 1h30m, anchor_date: 2026-01-01, parameters: {times: 2}, active: false}
      - {rrule: "FREQ=DAILY;BYHOUR=9", catchup_seconds: 5}
"""
    cron, interval, rule = deploy(PYTHON + schedules)[0]["schedules"]
    assert cron["schedule"] == {"cron": "0 9 * * MON", "timezone": "Europe/Paris", "day_or": False}
    assert interval["schedule"]["interval"] == 5400
    assert interval["schedule"]["anchor_date"].startswith("2026-01-01T00:00:00")
    assert (interval["active"], interval["parameters"]) == (False, {"times": 2})
    assert [each["catchup_seconds"] for each in (cron, interval, rule)] == [600, 600, 5]


def test_the_default_pool_takes_what_names_none(skylift: Skylift, deploy: Any) -> None:
    text = COMMAND.replace("    work_pool: {name: local}\n", "")
    deploy(text, says="there is no default")
    skylift("work-pool", "update", "local", "--set-as-default")
    assert deploy(text)[0]["work_pool_name"] == "local"


def test_environment_variables_are_not_expanded(deploy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter2")
    made = deploy(COMMAND.replace("echo hello", "echo $SOME_TOKEN ${SOME_TOKEN}"))[0]
    assert made["job_variables"] == {"command": "echo $SOME_TOKEN ${SOME_TOKEN}"}


def test_code_from_elsewhere(deploy: Any) -> None:
    text = PYTHON.replace("flows.py", "not_here.py")
    deploy(text, says="'pull'")
    pull = """    pull:
      - prefect.deployments.steps.git_clone: {repository: https://example.org/x.git, branch: main}
      - set_working_directory: {directory: jobs}
"""
    made = deploy(text + pull)[0]
    assert made["path"] is None
    assert made["pull_steps"] == [
        {"git_clone": {"repository": "https://example.org/x.git", "branch": "main"}},
        {"set_working_directory": {"directory": "jobs"}},
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PYTHON + "    scedules: []\n", ":5: deployments[0].scedules: unknown key, did you mean 'schedules'?"),
        (PYTHON + "    schedules:\n      - {crn: 1}\n", ":6: deployments[0].schedules[0].crn: unknown key"),
        (PYTHON + "    work_pool: {name: local}\n", ":5: The key 'work_pool' is there twice"),
        (PYTHON + "    version: 1.10\n", ":5: deployments[0].version: must be text: put it in quotes"),
        (PYTHON + "    parameters: {x: .nan}\n", ":5: .nan has no place in JSON"),
        (PYTHON + "    parameters: {times: many}\n", ":5: deployments[0].parameters.times: 'many' is not of type"),
        (PYTHON + "    parameters: {nam: x}\n", "'nam' was unexpected"),
        (
            PYTHON + "    schedules: [{interval: 5m}]\n",
            ":5: deployments[0].schedules[0]: its runs would lack the parameter 'name'",
        ),
        (
            COMMAND + "    schedules: [{interval: soon}]\n",
            ":5: deployments[0].schedules[0].interval: 'soon' is no length",
        ),
        (COMMAND + "    schedules: [{interval: 0}]\n", "An interval is from 1 s"),
        (
            COMMAND + "    schedules: [{cron: '61 * * * *'}]\n",
            ":5: deployments[0].schedules[0].cron: '61' is no minute",
        ),
        (COMMAND + "    schedules: [{cron: '* * * * *', timezone: Mars/Base}]\n", "Mars/Base"),
        (COMMAND + "    schedules: [{slug: x}]\n", "one of the fields interval, cron and rrule"),
        (COMMAND + "    schedules: [{interval: 5, slug: 'Not a slug'}]\n", "slug"),
        (COMMAND + "    concurrency_limit: -1\n", ":5: deployments[0].concurrency_limit.limit"),
        (COMMAND + "    concurrency_limit: {limit: 1, collision_strategy: DROP}\n", "'ENQUEUE' or 'CANCEL_NEW'"),
        (COMMAND + "    entrypoint: flows.py:greet\n", "not both"),
        (COMMAND + "    engine: python\n", "python needs an entrypoint"),
        (COMMAND.replace("    command: echo hello\n", ""), "needs an 'entrypoint'"),
        (COMMAND.replace("name: d\n", "description: x\n"), ":2: deployments[0].name: is missing"),
        (COMMAND.replace("name: d\n", "name: a/b\n"), "deployments[0].name"),
        (COMMAND.replace("local}", "local, job_variables: {command: x}}"), "is given by 'command' already"),
        (COMMAND + "    pull: [{git_clone: {}}]\n", "repository: is missing"),
        (COMMAND + "    pull: [{svn_checkout: {}}]\n", "svn_checkout: unknown key"),
        (COMMAND + "    pull: [{}]\n", "a pull step is one of"),
        (COMMAND + "build: [{x: 1}]\n", ":5: build: Skylift builds and pushes no images"),
        (PYTHON.replace(":greet", ":leave"), ":3: deployments[0].entrypoint: flows.py has no function 'leave'"),
        (PYTHON.replace("flows.py:greet", "flows.py"), "must be like path/to/file.py:function"),
        ("deployments: []\n", "deployments"),
        ("", "skylift.yaml: must be a mapping"),
        ("- a\n", "skylift.yaml: must be a mapping"),
        (COMMAND.replace("{name: local}", "local"), ":4: deployments[0].work_pool: must be a mapping"),
        ("deployments: [\n", "skylift.yaml:2: "),
        ("a: !!python/object:os.system {}\n", "skylift.yaml:1: "),
        ("deployments: &x [*x]\n", "skylift.yaml:1: "),
    ],
)
def test_what_is_wrong_is_named_with_its_line_before_anything_is_opened(
    alone: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.setenv("SKYLIFT_DATABASE_URL", "sqlite:////nowhere/at/all.db")
    (tmp_path / "flows.py").write_text(FLOWS)
    file = tmp_path / "skylift.yaml"
    file.write_text(text)
    assert says in Skylift().error("deploy", str(file))


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        ("nope", ":4: deployments[0].work_pool.name: there is no work pool 'nope'"),
        ("local, job_variables: {env: 5}", ":4: deployments[0].work_pool.job_variables: "),
        ("local, job_variables: {timeout_seconds: -1}", "timeout_seconds"),
    ],
)
def test_pools_and_job_variables_are_checked_for_all_before_anything_is_written(
    deploy: Any, pool: str, says: str
) -> None:
    second = (
        COMMAND.removeprefix("deployments:\n")
        .replace("name: d", "name: e")
        .replace("{name: local}", f"{{name: {pool}}}")
    )
    deploy(COMMAND + second, "--all", says=says.replace(":4:", ":7:").replace("[0]", "[1]"))


def test_all_that_is_wrong_is_told_at_once(deploy: Any) -> None:
    said = deploy(COMMAND + "    tag: x\n    parameter: {}\n", says="tag")
    assert "'tags'" in said
    assert "'parameters'" in said


def test_two_deployments_of_one_name_are_refused(deploy: Any) -> None:
    deploy(COMMAND + COMMAND.removeprefix("deployments:\n"), "--all", says="two deployments 'd/d'")


def test_a_file_that_is_not_there(skylift: Skylift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "skylift.yaml" in skylift("deploy", code=1).stderr


def test_parameters_of_a_run_are_checked_when_it_is_made(skylift: Skylift, deploy: Any) -> None:
    deploy(PYTHON)
    assert "'name' is a required property" in skylift.error("deployment", "run", "greet/d")
    assert "times" in skylift.error("deployment", "run", "greet/d", "-p", "name=x", "-p", "times=no")
    run = skylift.json("deployment", "run", "greet/d", "--params", '{"name": "x", "times": 1}', "-p", "times=3")
    assert run["parameters"] == {"name": "x", "times": 3}
    assert "name=value" in skylift.error("deployment", "run", "greet/d", "-p", "name", code=2)
    assert "JSON" in skylift.error("deployment", "run", "greet/d", "--params", "{", code=2)
    assert "not both" in skylift.error("deployment", "run", "greet/d", "--in", "5m", "--at", "2090-01-01", code=2)
    assert "ISO 8601" in skylift.error("deployment", "run", "greet/d", "--at", "noon", code=2)
    assert "FLOW/NAME" in skylift.error("deployment", "run", "greet", code=2)
    assert skylift.error("deployment", "run", "greet/e") == "Error: Deployment greet/e not found\n"


@pytest.mark.parametrize(
    ("text", "length"), [("90", 90), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("1.5 h", 5400)]
)
def test_lengths_of_time(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "m", "5 minutes", "-5s", "1h30", "inf", "nan"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="length of time"):
        seconds(text)
