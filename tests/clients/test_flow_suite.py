"""The flows of `flow_suite/flows.py`, run directly under a real Prefect server (recorded) and pushed by Skylift: the
same is known of them afterwards. Skylift's API is only ever invoked per request here, as on a function platform: no
websocket reaches it, so task runs and cancellations come by the runner's relay.

`.venv/bin/python -m tests.clients.flow_suite.play` records anew (all, or the flows that it is given).
"""

from __future__ import annotations

import json
import os
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from tests.clients.flow_suite import play
from tests.support.service import How, serving

FEW = ["chained_tasks", "retries_a_flow_soon", "hooks_at_completion", "is_cancelled"]
ALLOWED: dict[tuple[str, str], str] = {
    ("exits_at_once", "logs"): "what its process had not sent yet is lost with it, more or less of it",
    ("exits_at_once", "task_runs"): "as its logs",
    ("is_killed", "logs"): "as with exits_at_once",
    ("is_terminated", "logs"): "as with exits_at_once",
}
"""What of which flow (`*`: any) may differ, and why."""
DIFFERENT: dict[str, dict[str, Any]] = {
    # The real server refuses the half second that Prefect's engine asks for, and so the run crashes.
    "retries_a_flow_soon": {
        "state": "COMPLETED Completed: None",
        "run_count": 3,
        "states": "Scheduled > Running > AwaitingRetry > Running > AwaitingRetry > Running > Completed",
    },
    # The server's own words, which are ours here.
    "pauses_too_long": {
        "state": "FAILED Failed: The run was paused and never resumed",
        "run_count": 1,
        "states": "Scheduled > Running > Paused > Failed",
    },
}
"""What is known of runs that end in another way with us: the rest of these is not compared."""


CANCELLED = {name for name, act in play.ACTS.items() if act is play.cancel}
SOON = 15.0
"""Seconds from the wish that a run be cancelled to its end, on a machine that has other work as well."""


def lines(seen: dict[str, Any]) -> list[str]:
    """One for each thing that is known, named by where it is."""
    found = []
    for key, value in seen.items():
        if isinstance(value, list):
            for number, each in enumerate(value):
                inner = lines(each) if isinstance(each, dict) else [json.dumps(each)]
                found += [f"{key} {number}: {line}" if isinstance(each, dict) else f"{key}: {line}" for line in inner]
        else:
            found.append(f"{key}: {json.dumps(value)}")
    return found


def difference(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """What is not the same, as a diff; empty where that is allowed."""
    if name in DIFFERENT:
        theirs, ours = DIFFERENT[name], {key: ours.get(key) for key in DIFFERENT[name]}
    for flow, key in ALLOWED:
        if flow in (name, "*"):
            theirs, ours = without(theirs, key), without(ours, key)
    told = unified_diff(lines(theirs), lines(ours), "prefect server", "skylift", lineterm="", n=0)
    return "\n".join([f"{name}:", *told]) if theirs != ours else ""


def without(seen: dict[str, Any], key: str) -> dict[str, Any]:
    return {
        name: [without(each, key) if isinstance(each, dict) else each for each in value]
        if isinstance(value, list)
        else value
        for name, value in seen.items()
        if name != key
    }


def hold(names: list[str], python: Path, home: Path, recorded: play.Seen) -> None:
    service = home / "service"
    service.mkdir()
    with (
        serving(service, How.PER_REQUEST, PATH=f"{os.environ['PATH']}:{python.parent}") as ready,
        play.player_of(python, ready.url, home / "play", is_pushed=True, names=names) as player,
    ):
        ours = player.play(names)
    if wrong := [text for name in names if (text := difference(name, recorded[name], ours[name]))]:
        pytest.fail("\n\n".join(wrong), pytrace=False)
    answers = sum(ready.report["operations"].values())
    print(f"{len(names)} flows, {answers} answers that fit their schemas, cancelled in {player.cancelled_in} s")
    assert ready.report["websockets"] == {}, "nobody even tried"
    assert set(player.cancelled_in) == CANCELLED & set(names)
    assert all(seconds < SOON for seconds in player.cancelled_in.values()), player.cancelled_in


@pytest.fixture(scope="module")
def recorded() -> play.Seen:
    seen: play.Seen = json.loads(play.RECORD.read_text())
    assert list(seen) == play.NAMES, "record anew: the flows have changed"
    return seen


def test_a_few_flows(prefect_python: Path, tmp_path: Path, recorded: play.Seen) -> None:
    hold(FEW, prefect_python, tmp_path, recorded)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_all_others(prefect_python: Path, tmp_path: Path, recorded: play.Seen) -> None:
    hold([name for name in play.NAMES if name not in FEW], prefect_python, tmp_path, recorded)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_record_is_what_the_real_server_shows(recorded: play.Seen, prefect_python: Path) -> None:
    now = play.record(prefect_python)
    same = [name for name in play.NAMES if name not in DIFFERENT]
    assert not [text for name in same if (text := difference(name, recorded[name], now[name]))]
