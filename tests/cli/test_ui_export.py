"""`skylift ui export`: either page as files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from skylift.api import sites
from skylift.cli.root import cli

API = "https://api.example.com/api"


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built console."""
    built = tmp_path / "built"
    (built / "assets").mkdir(parents=True)
    (built / "assets" / "app.js").write_text("1")
    (built / "index.html").write_text('<html><head><meta name="skylift-api" content="/api" /></head></html>')
    monkeypatch.setattr(sites, "console_folder", lambda: built)
    return built


@pytest.fixture
def prefect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What an installed Prefect has, as far as it matters."""
    built = tmp_path / "ui-v2"
    (built / "assets").mkdir(parents=True)
    (built / "assets" / "app.js").write_text("base='/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER'")
    (built / "index.html").write_text("<head><script src='/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER/assets/app.js'>")
    monkeypatch.setenv("SKYLIFT_PREFECT_UI_FOLDER", str(built))
    return built


def _export(*args: object) -> Result:
    return CliRunner().invoke(cli, ["ui", "export", *map(str, args)])


def _policy(index: str) -> str:
    [found] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', index)
    return str(found).replace("&#x27;", "'")


@pytest.mark.usefixtures("console")
def test_the_console_knows_its_api_and_may_call_nothing_else(tmp_path: Path) -> None:
    told = _export(tmp_path / "out", "--api-url", API)
    assert told.exit_code == 0
    assert "Wrote 2 files" in told.output
    index = (tmp_path / "out" / "index.html").read_text()
    assert f'name="skylift-api" content="{API}"' in index
    assert "connect-src 'self' https://api.example.com;" in _policy(index)
    assert "frame-ancestors" not in index, "browsers take it from a header only"
    assert (tmp_path / "out" / "assets" / "app.js").read_text() == "1"


@pytest.mark.usefixtures("prefect")
def test_prefects_page_has_its_path_in_all_files(tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = _export(out, "--prefect", "--api-url", API, "--path", "/a/ui/")
    assert told.exit_code == 0, told.output
    assert (out / "a" / "ui" / "assets" / "app.js").read_text() == "base='/a/ui'"
    assert "src='/a/ui/assets/app.js'" in (out / "a" / "ui" / "index.html").read_text()
    settings = json.loads((out / "a" / "ui" / "ui-settings").read_text())
    assert (settings["api_url"], settings["auth"], settings["v2_base_url"]) == (API, "BASIC", "/a/ui")


@pytest.mark.usefixtures("console", "prefect")
@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--api-url", "api"], "--api-url"),
        (["--api-url", "https://x"], "--api-url"),
        (["--prefect", "--path", "ui"], "--path"),
        (["--prefect", "--path", "/u i"], "--path"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, args: list[str], says: str) -> None:
    refused = _export(tmp_path / "out", *args)
    assert refused.exit_code == 2
    assert says in refused.output
    assert not (tmp_path / "out").exists()


def test_what_is_there_already_stays(tmp_path: Path, console: Path) -> None:
    assert "is not empty" in _export(console).output
    assert (console / "assets" / "app.js").read_text() == "1"


def test_without_a_build_or_prefect_it_says_what_to_do(
    tmp_path: Path, console: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (console / "index.html").unlink()
    assert "make console" in _export(tmp_path / "out").output
    monkeypatch.setenv("SKYLIFT_PREFECT_UI_FOLDER", str(tmp_path / "nowhere"))
    assert "skylift[prefect-ui]" in _export(tmp_path / "out", "--prefect").output
    (console / "index.html").write_text("<head></head>")
    assert "build it anew" in _export(tmp_path / "other").output
