"""Work pools and queues on the command line, over the embedded database."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Skylift


@pytest.fixture
def pool(skylift: Skylift) -> str:
    skylift("work-pool", "create", "local", "--type", "process:push")
    return "local"


def test_a_pool_that_pushes_is_ready_and_a_paused_one_is_marked(skylift: Skylift) -> None:
    created = skylift("work-pool", "create", "a", "-t", "process:push", "--concurrency-limit", "3").stdout
    assert created == "Created work pool 'a' of type process:push (READY)\n"
    skylift("work-pool", "create", "b", "-t", "process:push", "--paused", "--description", "Nightly work")
    table = skylift("work-pool", "ls").stdout
    assert "Work pools" in table
    assert "Concurrency Limit" in table
    assert "b (**)" in table
    assert "(**) denotes a paused pool" in table
    assert "Nightly work" in skylift("work-pool", "ls", "-v").stdout
    pools = {each["name"]: each for each in skylift.json("work-pool", "ls")}
    assert (pools["a"]["status"], pools["b"]["status"]) == ("READY", "PAUSED")
    assert pools["a"]["id"] in table
    assert skylift.json("work-pool", "resume", "b")["status"] == "READY"
    assert skylift.json("work-pool", "pause", "a")["status"] == "PAUSED"


def test_without_a_terminal_a_missing_type_is_an_error_that_names_the_flag(skylift: Skylift) -> None:
    said = skylift.error("work-pool", "create", "a", code=2)
    assert "--type" in said
    assert "process:push" in said
    assert skylift.json("work-pool", "ls") == []


def test_on_a_terminal_the_type_is_asked_for(skylift: Skylift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skylift.cli.work_pool_create.on_terminal", lambda: True)
    assert "process:push" in skylift("work-pool", "create", "a", stdin="process:push\n").stdout
    assert [each["type"] for each in skylift.json("work-pool", "ls")] == ["process:push"]


def test_a_misspelt_push_type_is_refused_and_a_pull_type_is_not(skylift: Skylift) -> None:
    assert "'proces:push'" in skylift.error("work-pool", "create", "a", "--type", "proces:push")
    result = skylift("work-pool", "create", "a", "--type", "docker")
    assert "NOT_READY" in result.stdout
    assert "pull" in result.stderr


def test_provisioning_says_that_it_is_not_there(skylift: Skylift) -> None:
    said = skylift.error("work-pool", "create", "a", "--type", "process:push", "--provision-infra")
    assert "--provision-infra" in said
    assert skylift.json("work-pool", "ls") == []


def test_overwrite_changes_what_is_given_and_nothing_else(skylift: Skylift, pool: str) -> None:
    assert "already exists" in skylift.error("work-pool", "create", pool, "--type", "process:push")
    before = skylift.json("work-pool", "inspect", pool)
    skylift("work-pool", "create", pool, "--overwrite", "--concurrency-limit", "7")
    after = skylift.json("work-pool", "inspect", pool)
    assert after["concurrency_limit"] == 7
    assert after["base_job_template"] == before["base_job_template"]
    assert after["id"] == before["id"]
    assert "cannot be changed" in skylift.error("work-pool", "create", pool, "--overwrite", "--type", "docker")


def test_limits_are_set_and_cleared(skylift: Skylift, pool: str) -> None:
    assert skylift.json("work-pool", "set-concurrency-limit", pool, "0")["concurrency_limit"] == 0
    assert skylift.json("work-pool", "clear-concurrency-limit", pool)["concurrency_limit"] is None
    skylift.error("work-pool", "set-concurrency-limit", pool, "-1", code=2)
    assert skylift.json("work-pool", "update", pool, "--description", "x")["description"] == "x"
    assert "--description" in skylift.error("work-pool", "update", pool, code=2)


def test_templates_go_out_to_a_file_and_back_in(skylift: Skylift, tmp_path: Path, pool: str) -> None:
    file = tmp_path / "template.json"
    skylift("work-pool", "get-default-base-job-template", "--type", "process:push", "--file", str(file))
    printed = json.loads(skylift("work-pool", "get-default-base-job-template", "--type", "process:push").stdout)
    template = json.loads(file.read_text())
    assert template == printed
    template["job_configuration"]["command"] = "echo fixed"
    file.write_text(json.dumps(template))
    skylift("work-pool", "update", pool, "--base-job-template", str(file))
    assert skylift.json("work-pool", "inspect", pool)["base_job_template"] == template
    template["job_configuration"]["command"] = "{{ undeclared }}"
    file.write_text(json.dumps(template))
    assert "undeclared" in skylift.error("work-pool", "update", pool, "--base-job-template", str(file))
    file.write_text("[1]")
    assert "JSON object" in skylift.error("work-pool", "update", pool, "--base-job-template", str(file), code=2)
    missing = str(tmp_path / "nowhere.json")
    assert "nowhere.json" in skylift.error("work-pool", "update", pool, "--base-job-template", missing)


@pytest.mark.parametrize("name", ["two words", "ümläut", "a?b#c", "[red]x", "dot.", ".", "..", "+", "{name}"])
def test_any_name_works(skylift: Skylift, name: str) -> None:
    skylift("work-pool", "create", name, "--type", "process:push")
    assert skylift.json("work-pool", "inspect", name)["name"] == name
    assert name in skylift("work-pool", "ls").stdout
    assert f"'{name}'" in skylift("work-pool", "pause", name).stdout
    skylift("work-pool", "delete", name, "--yes")
    assert skylift.json("work-pool", "ls") == []


@pytest.mark.parametrize("name", ["a/b", "50%", "", "prefect-pool"])
def test_names_that_are_not_allowed_are_told_in_a_line(skylift: Skylift, name: str) -> None:
    said = skylift.error("work-pool", "create", name, "--type", "process:push")
    assert "name" in said
    assert len(said.splitlines()) == 1


def test_deleting_asks_on_a_terminal_and_wants_yes_elsewhere(
    skylift: Skylift, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--yes" in skylift.error("work-pool", "delete", pool, code=2)
    monkeypatch.setattr("skylift.cli.options.on_terminal", lambda: True)
    skylift("work-pool", "delete", pool, stdin="n\n", code=1)
    assert skylift.json("work-pool", "ls")
    skylift("work-pool", "delete", pool, stdin="y\n")
    assert skylift.json("work-pool", "ls") == []


def test_what_is_not_there_is_named(skylift: Skylift, pool: str) -> None:
    for verb in (["inspect"], ["pause"], ["slots"], ["preview"], ["delete", "--yes"]):
        assert skylift.error("work-pool", *verb, "nope") == "Error: Work pool 'nope' not found\n"
    assert "'nope'" in skylift.error("work-queue", "pause", "nope", "--pool", pool)


def test_narrow_terminals_fold_and_never_cut(skylift: Skylift, pool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = str(skylift.json("work-pool", "inspect", pool)["id"])
    monkeypatch.setenv("COLUMNS", "80")
    assert own in skylift("work-pool", "ls").stdout
    monkeypatch.setenv("COLUMNS", "40")
    table = skylift("work-pool", "ls").stdout
    assert max(map(len, table.splitlines())) <= 40
    assert "…" not in table
    column = [line.split("│")[4].strip() for line in table.splitlines() if line.startswith("│")]
    assert "".join(column) == own


def test_queues_shift_and_pause(skylift: Skylift, pool: str) -> None:
    skylift("work-queue", "create", "urgent", "--pool", pool, "--priority", "1", "--limit", "2")
    queues = skylift.json("work-queue", "ls", "--pool", pool)
    assert [(each["name"], each["priority"]) for each in queues] == [("urgent", 1), ("default", 2)]
    skylift("work-queue", "update", "default", "--pool", pool, "--priority", "1")
    assert [each["name"] for each in skylift.json("work-queue", "ls", "--pool", pool)] == ["default", "urgent"]
    skylift("work-queue", "pause", "urgent", "--pool", pool)
    assert "urgent (**)" in skylift("work-queue", "ls", "--pool", pool).stdout
    assert skylift.json("work-queue", "resume", "urgent", "--pool", pool)["status"] == "READY"
    assert skylift.json("work-queue", "clear-concurrency-limit", "urgent", "--pool", pool)["concurrency_limit"] is None
    assert "default queue" in skylift.error("work-queue", "delete", "default", "--pool", pool, "--yes")
    skylift("work-queue", "delete", "urgent", "--pool", pool, "--yes")


def test_the_preview_has_the_runs_of_the_hours_and_marks_late_ones(
    skylift: Skylift, pool: str, tmp_path: Path, sqlite_url: str
) -> None:
    file = tmp_path / "skylift.yaml"
    file.write_text("deployments: [{name: d, flow: f, command: 'true', work_pool: {name: local}}]")
    skylift("deploy", str(file))
    for name, start in (("soon", "30m"), ("later", "3h"), ("overdue", "1s")):
        skylift("deployment", "run", "f/d", "--in", start, "--name", name)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as database:
        moved = database.execute(
            "UPDATE flow_runs SET next_scheduled_start_time = '2020-01-01 00:00:00.000000' WHERE name = 'overdue'"
        )
        assert moved.rowcount == 1
    database.close()
    table = skylift("work-pool", "preview", pool).stdout
    late = next(line for line in table.splitlines() if "overdue" in line)
    assert "2020-01-01 00:00:00 (**)" in late
    assert "later" not in table
    assert "(**) denotes a late run" in table
    assert [run["name"] for run in skylift.json("work-pool", "preview", pool, "--hours", "4")] == [
        "overdue",
        "soon",
        "later",
    ]
    assert len(skylift.json("work-queue", "preview", "default", "--pool", pool, "--hours", "4")) == 3
    skylift("work-pool", "pause", pool)
    assert "soon" in skylift("work-pool", "preview", pool).stdout


def test_a_check_tells_what_keeps_runs_from_starting(skylift: Skylift, pool: str) -> None:
    found = {each["what"]: each for each in skylift.json("work-pool", "check", pool)}
    assert {name: each["verdict"] for name, each in found.items()} == {"Provider": "ok", "Template": "ok"}
    skylift("work-pool", "pause", pool)
    assert "It is paused" in skylift("work-pool", "check", pool).stdout
    skylift("work-pool", "create", "pulled", "--type", "docker")
    assert "Nothing here pushes" in skylift("work-pool", "check", "pulled", code=1).stdout
    assert "'none'" in skylift.error("work-pool", "check", "none")
