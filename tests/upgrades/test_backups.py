"""Backups of a service under load, on both databases, and what becomes of a copy that is adopted: docs/backups.md."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from skylift.adoption import MESSAGE, adopt
from skylift.cleanup import stop_strays
from skylift.observe import observe
from skylift.store import Store
from skylift.store.tables import attempts, ended_attempts, flow_runs, work_pools
from tests.api.events_making import until
from tests.api.making import Api, attempt_id_of, ok
from tests.cli.commands import words
from tests.cli.conftest import ROOT, Skylift
from tests.conftest import Databases, Kind
from tests.support.installation import Installation
from tests.support.service import How, clean_environment, serving
from tests.upgrades.load import client, deployment, under_load

PAGE = (ROOT / "docs" / "backups.md").read_text(encoding="utf-8")
POSTGRES_COMMANDS = re.findall(r"^\$ (pg_\w+ .+)$", PAGE, re.MULTILINE)


def _shell(line: str, tools: Path, folder: Path, url: str) -> None:
    """A command of the page, as it is written there."""
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    env = clean_environment() | {"PATH": path, "SKYLIFT_DATABASE_URL": url}
    done = subprocess.run(line, shell=True, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@contextmanager
def _copied(kind: Kind, url: str, databases: Databases, folder: Path, skylift: Skylift) -> Iterator[str]:
    """The URL of a restored backup, made by the page's commands while others use the database."""
    if kind == "sqlite":
        skylift("database", "backup", str(folder / "monday.db"))
        yield f"sqlite:///{folder / 'monday.db'}"
        return
    dump, restore = POSTGRES_COMMANDS
    _shell(dump, databases.tools, folder, url)
    with databases.unmigrated("postgres") as target:
        _shell(restore, databases.tools, folder, target)
        yield target


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_service_under_load_is_backed_up_and_its_copy_leaves_it_alone(
    kind: Kind, databases: Databases, tmp_path: Path, skylift: Skylift, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    for folder in (home, other):
        folder.mkdir()
    with databases.unmigrated(kind) as url:
        monkeypatch.setenv("SKYLIFT_DATABASE_URL", url)
        with serving(home, How.PLAIN, SKYLIFT_DATABASE_URL=url) as service, client(service) as http:
            with under_load(http) as load:
                slow = _launched(http, deployment(http, "slow", "sleep 20"), url)
                answered = [*load.runs]
                with _copied(kind, url, databases, tmp_path, skylift) as copy:
                    _check_copy(copy, answered)
                    shutil.copy(home / "secret.key", other)
                    monkeypatch.setenv("SKYLIFT_DATABASE_URL", copy)
                    monkeypatch.setenv("SKYLIFT_HOME", str(other))
                    assert skylift.json("database", "adopt", "--yes")["runs_ended"] >= 1
                    with serving(other, How.PLAIN, SKYLIFT_DATABASE_URL=copy) as second, client(second) as its:
                        assert ok(its.get(f"flow_runs/{slow}"))["state_name"] == "Crashed"
                        assert ok(its.get("work_pools/local"))["status"] == "PAUSED"
                    assert ok(http.get(f"flow_runs/{slow}"))["state_name"] in ("Pending", "Running")
            assert load.until_ended() == {"COMPLETED"}
            assert load.until_ended(slow) == {"COMPLETED"}


def _launched(http: Any, deployment_id: str, url: str) -> str:
    """A run whose process is there."""
    run: str = ok(http.post(f"deployments/{deployment_id}/create_flow_run", json={}), 201)["id"]
    there = select(attempts.c.id).where(attempts.c.flow_run_id == UUID(run), attempts.c.handle.is_not(None))
    with closing(Store(url)) as store:
        until(lambda: store.holds(there))
    return run


def _check_copy(copy: str, answered: list[str]) -> None:
    """It is whole, and has what was answered before it began."""
    with closing(Store(copy)) as store, store.reading() as tx:
        assert {str(row.id) for row in tx.all(select(flow_runs.c.id))} >= set(answered)
    if copy.startswith("sqlite"):
        with closing(sqlite3.connect(copy.removeprefix("sqlite:///"))) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_copy_of_a_file_in_use(skylift: Skylift, tmp_path: Path) -> None:
    skylift("variable", "set", "region", "eu-west-1")
    target = tmp_path / "monday.db"
    with closing(sqlite3.connect(tmp_path / "home" / "skylift.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM variables")
        told = skylift.json("database", "backup", str(target))
        writer.execute("ROLLBACK")
    assert told == {"file": str(target), "bytes": target.stat().st_size}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with closing(sqlite3.connect(target)) as db:
        assert db.execute("SELECT name FROM variables").fetchall() == [("region",)]
    assert [each.name for each in tmp_path.iterdir() if "monday" in each.name] == ["monday.db"]
    assert "there already" in skylift.error("database", "backup", str(target))


def test_what_cannot_be_backed_up_is_said(skylift: Skylift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = str(tmp_path / "monday.db")
    assert "no database at" in skylift.error("database", "backup", target)
    skylift("variable", "ls")
    assert "No such file" in skylift.error("database", "backup", str(tmp_path / "none" / "monday.db"))
    monkeypatch.setenv("SKYLIFT_DATABASE_URL", "postgresql://me:hunter2@localhost/skylift")
    said = skylift.error("database", "backup", target)
    assert "pg_dump" in said
    assert "hunter2" not in said


def test_the_page_as_written(skylift: Skylift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands of PostgreSQL are run above."""
    monkeypatch.chdir(tmp_path)
    skylift("work-pool", "create", "local", "--type", "process:push")
    lines = re.findall(r"^\$ (skylift .+)$", PAGE, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        skylift(*words(line))
    assert (tmp_path / "monday.db").is_file()
    assert skylift.json("work-pool", "inspect", "local")["is_paused"]


def test_adopting_asks_first(skylift: Skylift) -> None:
    assert "--yes" in skylift.error("database", "adopt", code=2)
    before = skylift.json("database", "adopt", "--yes")["installation_id"]
    assert skylift.json("database", "adopt", "--yes", "--keep-pools")["installation_id"] != before


@pytest.fixture
def original(api: Api) -> Api:
    """Runs in every situation, and a container that is still there for each that was launched."""
    api.pool()
    made = api.deployment()["id"]
    names = ("running", "cancelling", "ended", "waiting")
    runs = {name: api.run(made, name=name, after=3600 if name == "waiting" else 0)["id"] for name in names}
    containers = {str(each.launch.flow_run_id): each for each in api.launch()}
    ok(api.propose(runs["cancelling"], "CANCELLED"), 201)
    containers[runs["ended"]].end(0)
    api.place.cloud.stubborn = True
    api.place.clock.advance(2)
    observe(api.place.parts)
    api.pool("pulled", type="process", base_job_template={})
    pulled = api.run(api.deployment("pulled", work_pool_name="pulled")["id"], name="pulled")["id"]
    ok(api.propose(pulled, "PENDING"), 201)
    return api


def test_an_adopted_copy_touches_nothing_of_the_original(original: Api) -> None:
    place: Installation = original.place
    before, alive = place.store.installation_id, set(place.cloud.alive())
    assert len(alive) == 2
    done = adopt(place.parts)
    assert (place.store.installation_id, done.pools_paused, done.runs_ended) == (done.installation_id, 2, 3)
    assert done.installation_id != before
    states = {row.name: (row.state_type, row.state_name) for row in place.rows(flow_runs)}
    assert states == {
        "running": ("CRASHED", "Crashed"),
        "cancelling": ("CANCELLED", "Cancelled"),
        "ended": ("COMPLETED", "Completed"),
        "waiting": ("SCHEDULED", "Scheduled"),
        "pulled": ("CRASHED", "Crashed"),
    }
    assert not place.rows(attempts)
    assert not [row for row in place.rows(ended_attempts) if row.cleanup_at]
    place.clock.advance(3600)
    for _ in range(3):
        observe(place.parts)
        stop_strays(place.parts)
        original.launch()
    assert set(place.cloud.alive()) == alive
    assert not place.cloud.stopped_before_start


def test_its_runs_say_why_and_its_pools_can_go_on(original: Api) -> None:
    adopt(original.place.parts, pause_pools=False)
    [running] = [row for row in original.place.rows(flow_runs) if row.name == "running"]
    assert original.read(str(running.id))["state"]["message"] == MESSAGE
    assert not [row for row in original.place.rows(work_pools) if row.is_paused]
    known = set(original.place.cloud.containers)
    original.place.clock.advance(3600)
    [new] = [each for each in original.launch() if attempt_id_of(each) not in known]
    assert new.launch.installation_id == original.place.store.installation_id


def test_it_may_be_interrupted_and_called_again(original: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    place = original.place
    with monkeypatch.context() as patched:
        patched.setattr("skylift.adoption._end_runs", lambda tx: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            adopt(place.parts)
    assert adopt(place.parts).runs_ended == 1
    assert not place.rows(attempts)
