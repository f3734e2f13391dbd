"""The commands of docs/cli.md, run in the order of the page against a real service."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.cli.commands import parse, words
from tests.cli.conftest import EXAMPLES, ROOT, Server, Skylift

PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
LINES = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]
PARSED_ONLY = ("skylift serve", "skylift demo")
FAILS = "# ends with exit code 1"


def test_the_page_has_commands() -> None:
    assert len(LINES) > 70


@pytest.mark.parametrize("line", LINES)
def test_it_parses(line: str) -> None:
    parse(line)


def test_they_run_as_written(remote: Skylift, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    for line in LINES:
        if not line.startswith(PARSED_ONLY):
            remote(*words(line), code=1 if line.endswith(FAILS) else 0)


def test_the_deploy_file_of_the_page_is_valid(skylift: Skylift, tmp_path: Path) -> None:
    found = re.search(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    (tmp_path / "skylift.yaml").write_text(found[1], encoding="utf-8")
    skylift("work-pool", "create", "local", "--type", "process:push")
    made = skylift.json("deploy", str(tmp_path / "skylift.yaml"))[0]["deployment"]
    assert [each["catchup_seconds"] for each in made["schedules"]] == [7200, 7200, 7200]
    assert made["schedules"][1]["schedule"]["interval"] == 5400
    assert made["concurrency_options"] == {"collision_strategy": "CANCEL_NEW"}
