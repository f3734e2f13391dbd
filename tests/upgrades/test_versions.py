"""Which code may work with which tables: told by the version of the tables alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from skylift.store import Store, schema_version
from skylift.store.migrations import upgrade
from skylift.store.schema_version import HEAD, NewerTablesError, number, serves
from tests.api.making import Api
from tests.cli.conftest import Skylift

LATER, NARROWED = number(HEAD) + 8, f"{number(HEAD) + 9:04}_from_{number(HEAD) + 5:04}"


@pytest.mark.parametrize(
    ("version", "head", "expected"),
    [
        (None, "0003", False),
        ("0002", "0003", False),
        ("0003", "0003", True),
        ("0004", "0003", True),
        ("0010", "0009", True),
        ("0004_from_0003", "0003", True),
        ("0005_from_0003", "0004", True),
        ("0005_from_0004", "0005_from_0004", True),
        ("0004_from_0003", "0005", False),
    ],
)
def test_what_code_of_a_version_may_do(
    monkeypatch: pytest.MonkeyPatch, version: str | None, head: str, expected: bool
) -> None:
    monkeypatch.setattr(schema_version, "HEAD", head)
    assert serves(version) is expected


def test_code_that_is_too_old_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_version, "HEAD", "0003")
    with pytest.raises(NewerTablesError, match="version 0009_from_0004, and this Skylift knows them up to 0003"):
        serves("0009_from_0004")


def _set_version(store: Store, version: str) -> None:
    with store.engine.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def test_tables_of_a_later_version_are_left_as_they_are(store: Store) -> None:
    _set_version(store, f"{LATER:04}")
    store.ensure_current()
    upgrade(store.engine)
    assert store.is_current()
    with store.reading() as tx:
        assert store.version(tx) == f"{LATER:04}"


def test_a_process_that_is_too_old_is_not_ready(api: Api) -> None:
    assert api.http.get("ready").status_code == 200
    _set_version(api.place.store, NARROWED)
    answer = api.http.get("ready")
    assert (answer.status_code, NARROWED in answer.json()["detail"]) == (503, True)


def test_commands_and_the_service_refuse_in_a_line(skylift: Skylift, tmp_path: Path) -> None:
    skylift("work-pool", "ls")
    with closing(Store(f"sqlite:///{tmp_path}/home/skylift.db")) as store:
        _set_version(store, NARROWED)
    for command in (("work-pool", "ls"), ("serve", "--port", "0"), ("dispatch", "--once")):
        said = skylift.error(*command)
        assert NARROWED in said
        assert len(said.splitlines()) == 1
