"""The commands of docs/prefect-flows.md, run as written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.clients.conftest import ROOT, Prefect, Server

PAGE = (ROOT / "docs" / "prefect-flows.md").read_text()
LINES = [line.removeprefix("$ ") for line in PAGE.splitlines() if line.startswith("$ ")]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_page_as_written(prefect: Prefect, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert program
    (tmp_path / "flows.py").write_text(program[1])
    assert len(LINES) == 7
    for line in LINES:
        words = shlex.split(line)
        if words[0] == "prefect":
            said = prefect.within(tmp_path, *words[1:])
            assert "--watch" not in words or "'Completed'" in said
        elif words[:2] != ["skylift", "serve"] and words[0] != "export":
            assert "greet" in server.skylift(*words[1:])
