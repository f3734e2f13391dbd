"""The command line over an embedded database, and over a real `skylift serve`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from skylift.cli.root import cli
from tests.support.service import OURS, clean_environment, serving

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True, slots=True)
class Skylift:
    """Calls commands in this process."""

    def __call__(self, *args: str, code: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(cli, args, prog_name="skylift", input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"{args}: {result.exit_code}\n{result.stdout}\n{result.stderr}"
        return result

    def json(self, *args: str, code: int = 0) -> Any:
        return json.loads(self(*args, "-o", "json", code=code).stdout)

    def error(self, *args: str, code: int = 1) -> str:
        """What a command that fails says."""
        result = self(*args, code=code)
        assert result.stdout == ""
        return result.stderr


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings from outside."""
    for name in [*os.environ]:
        if name.startswith(OURS) or name in ("COLUMNS", "NO_COLOR"):
            monkeypatch.delenv(name)


@pytest.fixture
def skylift(alone: None, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Skylift:
    """Commands over an embedded database."""
    monkeypatch.setenv("SKYLIFT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SKYLIFT_DATABASE_URL", sqlite_url)
    return Skylift()


def environment(home: Path) -> dict[str, str]:
    """For child processes."""
    return clean_environment() | {"SKYLIFT_HOME": str(home)}


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    line: str
    home: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real `skylift serve`, which ends well."""
    home = tmp_path_factory.mktemp("serve")
    with serving(home) as ready:
        yield Server(ready.url, ready.line, home)


@pytest.fixture
def remote(alone: None, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Skylift:
    """Commands over HTTP."""
    monkeypatch.setenv("SKYLIFT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SKYLIFT_API_URL", server.url)
    return Skylift()
