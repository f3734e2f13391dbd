"""The same commands and calls, against a real Prefect server (recorded) and against Skylift: the same is seen.

`.venv/bin/python -m tests.clients.differential.play` records anew; `pytest -m long tests/clients/test_differential.py`
plays against the real server now, and holds the record to that.
"""

from __future__ import annotations

import json
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from tests.clients.differential import play
from tests.clients.differential.scenarios import SCENARIOS, Scenario
from tests.support.service import client_environment, serving

ALLOWED: dict[str, str] = {
    "prefect work-pool create loose --type process --base-job-template {folder}/loose.json": "ours names the culprit",
    "prefect work-pool create what --type nothing-such": "we serve more types",
    "prefect deployment run greet/first --param times=many": "ours names the field first",
}
"""Steps whose answers may differ, and why."""


def differences(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, str]:
    """By step, what is not the same."""
    assert [each["step"] for each in theirs] == [each["step"] for each in ours], "record anew: the scenario has changed"
    found = {}
    for their, our in zip(theirs, ours, strict=True):
        if their != our:
            lines = unified_diff(their["out"], our["out"], "prefect server", "skylift", lineterm="", n=0)
            found[our["step"]] = "\n".join([f"{our['step']}: {their['code']} -> {our['code']}", *lines])
    return found


@pytest.fixture(scope="module")
def recorded() -> play.Seen:
    seen: play.Seen = json.loads(play.RECORD.read_text())
    return seen


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_the_same_is_seen(scenario: Scenario, recorded: play.Seen, prefect_python: Path, tmp_path: Path) -> None:
    """Each on a server of its own: commands that list see what others have made."""
    with serving(tmp_path) as ready:
        env = client_environment(ready.url, tmp_path)
        ours = play.play(prefect_python, env, tmp_path / "work", [scenario])[scenario.name]
    found = differences(recorded[scenario.name], ours)
    if wrong := [text for step, text in found.items() if step not in ALLOWED]:
        pytest.fail("\n\n".join(wrong), pytrace=False)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_record_is_what_the_real_server_shows(recorded: play.Seen, prefect_python: Path) -> None:
    assert play.record(prefect_python) == recorded
