"""Paths that lead out: in entrypoints, in folders of the code, and in addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from skylift import runner
from tests.api.making import Api


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The folder of a run's code, with a file beside it that is none of its business."""
    (tmp_path / "evil.py").write_text("raise SystemExit('it was run')\n")
    (tmp_path / "code" / "flows").mkdir(parents=True)
    (tmp_path / "code" / "flows" / "good.py").write_text("def go(): return 'good'\n")
    return tmp_path / "code"


@pytest.mark.parametrize("entrypoint", ["../evil.py:go", "flows/../../evil.py:go", "./../evil.py:go"])
def test_an_entrypoint_that_leads_out_is_not_run(code: Path, entrypoint: str) -> None:
    with pytest.raises(runner.CodeError):
        runner.resolve(entrypoint, [str(code)])


def test_an_entrypoint_within_is_found(code: Path) -> None:
    assert runner.resolve("flows/../flows/good.py:go", [str(code)])() == "good"


@pytest.mark.parametrize("folder", ["..", "flows/../..", "/etc", "flows/link"])
def test_a_subdirectory_that_leads_out_is_not_entered(code: Path, folder: str, tmp_path: Path) -> None:
    (code / "flows" / "link").symlink_to(tmp_path)
    step = {"path": str(code), "subdirectory": folder}
    with pytest.raises(runner.CodeError, match="leads out of the code"):
        runner.load_code([step], str(tmp_path / "home"), {}, print)


@pytest.mark.parametrize(
    "path",
    ["..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "....//etc/passwd", "%5c..%5cboot.ini", "x%00.py"],
)
def test_no_address_leads_to_a_file(shared: Api, path: str) -> None:
    """Files come by their hash, or from a list that was read when the service began."""
    for where in (f"/{path}", f"/assets/{path}", f"/api/skylift/runner/{path}", f"/hooks/{path}"):
        answer = shared.http.get(f"http://skylift{where}")
        assert answer.status_code in (404, 405, 422), where
        assert "root:" not in answer.text
