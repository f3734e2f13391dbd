"""The checker of storms: a fault that is put into a good history is found, by the rule that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.storm.history import History
from tests.chaos.storm.rules import judge

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
Change = Callable[["Made"], None]


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


class Made:
    """A history in the making: one pool of two slots, with the queues `high` and `low` (one slot)."""

    def __init__(self) -> None:
        names = "attempts due ended_attempts flow_run_states flow_run_timeline flow_runs schedule_slots".split()
        self.store: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        self.store["work_pools"] = [{"id": "pool", "name": "pool", "concurrency_limit": 2}]
        self.store["work_queues"] = [
            {"id": "high", "name": "high", "priority": 1, "concurrency_limit": None},
            {"id": "low", "name": "low", "priority": 2, "concurrency_limit": 1},
        ]
        self.store["deployments"] = [{"id": "d", "name": "d", "concurrency_limit": None, "created": at(-100)}]
        self.evidence: list[list[str]] = []
        self.witness: dict[str, Any] = {"left": {"ecs": []}, "lost": []}
        self.asked: dict[str, Any] = {"acts": [], "slots": [], "thefts": [], "cancelled": [], "until": at(1000)}
        self.said = {"processes": "nothing"}

    def run(self, name: str, queue: str, due: float, claimed: float, ended: float, state: str = "COMPLETED") -> None:
        """One that was made at second -10 and had one attempt."""
        self.store["flow_runs"].append(
            {
                "id": name,
                "name": name,
                "work_pool_id": "pool",
                "work_queue_id": queue,
                "deployment_id": "d",
                "state_type": state,
                "state_name": state.title(),
                "expected_start_time": at(due),
            }
        )
        details = {"scheduled_time": at(due)}
        for second, type_ in ((-10, "SCHEDULED"), (claimed, "PENDING"), (ended, state)):
            self.state(name, second, type_, details if type_ == "SCHEDULED" else {})
        self.attempt(name, f"attempt of {name}", claimed, ended)
        self.evidence += [["start", name, "1", "0"], ["stop", name, "1", "0"]]
        self.asked["acts"].append({"what": "run", "key": name, "answered": True})

    def state(self, run: str, second: float, type_: str, details: dict[str, Any] | None = None) -> None:
        self.store["flow_run_states"].append(
            {
                "id": str(len(self.store["flow_run_states"])),
                "flow_run_id": run,
                "timestamp": at(second),
                "committed": at(second),
                "type": type_,
                "name": type_.title(),
                "message": None,
                "state_details": details or {},
            }
        )

    def attempt(self, run: str, attempt: str, claimed: float, ended: float) -> None:
        line = {"flow_run_id": run, "attempt_id": attempt, "kind": "claimed", "at": at(claimed)}
        self.store["flow_run_timeline"].append(line | {"committed": at(claimed + 0.01)})
        self.store["ended_attempts"].append({"id": attempt, "ended_at": at(ended), "cleanup_at": None})

    def run_again(self, name: str) -> None:
        (row,) = [row for row in self.store["flow_runs"] if row["id"] == name]
        self.store["flow_runs"].append({**row, "id": "its double"})

    def steal(self, status: int) -> None:
        self.asked["thefts"].append({"whose": "attempt of a", "what": "the end", "victim": "b", "status": status})

    def history(self) -> History:
        return History(self.store, self.evidence, self.witness, self.asked, ["hunter2-of-this-test"], self.said)


def good() -> Made:
    made = Made()
    made.run("a", "high", due=0, claimed=1, ended=5)
    made.run("b", "high", due=0.5, claimed=2, ended=6)
    made.run("c", "low", due=0, claimed=7, ended=9)
    made.run("d", "low", due=1, claimed=10, ended=11)
    return made


def of(table: str, key: str, value: str, **changes: Any) -> Change:
    """Change the rows of which this is so."""

    def change(made: Made) -> None:
        rows = [row for row in made.store[table] if row[key] == value]
        assert rows
        for row in rows:
            row.update(changes)

    return change


def test_a_good_history_breaks_no_rule() -> None:
    assert not [fault for faults in judge(good().history()).values() for fault in faults]


FAULTS: list[tuple[str, str, Change]] = [
    ("1", "began 2 times", lambda made: made.evidence.append(["start", "a", "2", "0"])),
    ("1", "had two attempts at once", lambda made: made.attempt("a", "another", 3, 6)),
    ("1", "began 0 and ended 0", lambda made: made.evidence.__delitem__(slice(0, 2))),
    ("1", "is Pending in the end", of("flow_runs", "id", "a", state_type="PENDING", state_name="Pending")),
    ("1", "nothing was done to it", of("flow_runs", "id", "a", state_type="CRASHED")),
    ("1", "nobody asked for it", of("flow_runs", "id", "a", state_type="CANCELLED")),
    ("2", "pool pool (pool), limit 2: 3 slots", lambda made: made.run("x", "high", 3, 3, 4)),
    ("2", "queue low (low), limit 1: 2 slots", lambda made: made.run("x", "low", 1.5, 10.5, 12)),
    ("3", "x (x) was claimed while b (b)", lambda made: made.run("x", "low", due=-1, claimed=1.5, ended=1.6)),
    ("3", "late (late) was claimed while early (early)", lambda made: swap(made)),
    ("4", "went on after its end", lambda made: made.state("a", 20, "RUNNING")),
    ("5", "has no run", lambda made: made.asked["slots"].append({"deployment": "d", "slot": at(5)})),
    ("5", "was answered and has 2 runs", lambda made: made.run_again("a")),
    ("5", "never had an answer", lambda made: made.asked["acts"][0].update(answered=False)),
    ("5", "still waits", lambda made: made.store["due"].append({"flow_run_id": "a", "due_at": at(9)})),
    ("5", "still occupied", lambda made: made.store["attempts"].append({"id": "one"})),
    ("5", "not cleaned up", of("ended_attempts", "id", "attempt of a", cleanup_at=at(5))),
    ("5", "left at ecs", lambda made: made.witness["left"]["ecs"].append("task/1")),
    ("6", "stands in 'processes'", lambda made: made.said.update(processes="the password hunter2-of-this-test")),
    ("7", "had 200", lambda made: made.steal(200)),
]


def swap(made: Made) -> None:
    """Within a queue the later of two goes first."""
    made.run("early", "high", due=20, claimed=25, ended=26)
    made.run("late", "high", due=21, claimed=22, ended=23)


@pytest.mark.parametrize(("rule", "words", "change"), FAULTS, ids=[words for _, words, _ in FAULTS])
def test_a_fault_is_found(rule: str, words: str, change: Change) -> None:
    made = good()
    change(made)
    found = judge(made.history())
    faults = [fault for name, each in found.items() if name.startswith(rule) for fault in each]
    assert any(words in fault for fault in faults), found


def test_a_run_whose_machine_was_taken_away_may_have_crashed() -> None:
    made = good()
    of("flow_runs", "id", "a", state_type="CRASHED")(made)
    made.witness["lost"].append("attempt of a")
    assert not [fault for faults in judge(made.history()).values() for fault in faults]
