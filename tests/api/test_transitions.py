"""Every transition of a flow run, answered as a real Prefect server answered it when it was asked once:

.venv-prefect/bin/python -m tests.clients.record_transitions
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from skylift.models.runs import FlowRunCreate, FlowRunUpdate, InputCreate, OrchestrationResult
from skylift.models.states import TERMINAL, StateCreate, StateType
from skylift.new_runs import alone
from skylift.resume import resume
from skylift.store import Tx, inputs, proposals, runs
from skylift.transitions import Author
from tests.clients import transition_cases as cases
from tests.support.installation import Installation

RECORD: dict[str, Any] = json.loads(cases.RECORD.read_text())


@dataclass(slots=True)
class Difference:
    """Where we answer otherwise, and why."""

    why: str
    applies: Callable[[str, str, tuple[str, ...]], bool]
    """Of the present state, the proposed one and the flags."""
    ours: Callable[[str], str]
    """Our answer, from the recorded one."""
    seen: int = field(default=0, compare=False)


def _type(written: str) -> StateType:
    return StateType(written.partition("/")[0])


DIFFERENCES = [
    Difference(
        "a run that has ended has nothing that could still be cancelled: it would stay Cancelling for ever",
        lambda now, to, flags: _type(now) in TERMINAL and _type(to) is StateType.CANCELLING and "force" in flags,
        lambda _theirs: "200 ABORT",
    ),
    Difference(
        "a refusal changes nothing: theirs notes that the run is resuming",
        lambda now, _to, flags: _type(now) is StateType.PAUSED and "force" not in flags,
        lambda theirs: theirs.replace(" resuming", "") if theirs.startswith("200 ") else theirs,
    ),
]


@pytest.fixture
def place(sqlite_url: str) -> Iterator[Installation]:
    """One database is enough: the rules are pure."""
    made = Installation(sqlite_url)
    yield made
    made.close()


def _told(tx: Tx, run_id: UUID, answer: OrchestrationResult) -> str:
    code = 201 if answer.was_written else 200
    body = {"status": answer.status, "state": answer.state and {"id": answer.state.id}}
    return cases.told(code, body, dict(runs.by_id(tx, run_id)._mapping))


def _recorded(current: str, wanted: str, *, all_flags: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    """Flags and the answer to them; not all flags: of those with the same answer the first and the last."""
    answers = RECORD["matrix"][current][wanted]
    every = ["+".join(flags) or "plain" for flags in cases.flag_sets()]
    for answer, sets in answers.items() if isinstance(answers, dict) else [(answers, every)]:
        for written in sets if all_flags else dict.fromkeys((sets[0], sets[-1])):
            yield (() if written == "plain" else tuple(written.split("+"))), answer


@pytest.mark.parametrize("all_flags", [False, pytest.param(True, marks=pytest.mark.long)], ids=["edges", "all"])
def test_every_transition(place: Installation, all_flags: bool) -> None:
    deployment = place.deployment(pool=None)

    def one(tx: Tx, current: str, wanted: str, flags: tuple[str, ...]) -> str:
        first = StateCreate.model_validate(cases.state(current, tx.now))
        body = FlowRunCreate(
            flow_id=deployment.flow_id,
            deployment_id=deployment.id if "deployment" in flags else None,
            state=first,
            empirical_policy={"retries": 1} if "retries" in flags else {},
        )
        run_id = alone(tx, body)[0].id
        if cases.has_pid(current):
            runs.change(tx, run_id, FlowRunUpdate(infrastructure_pid="7"))
        proposed = StateCreate.model_validate(cases.state(wanted, tx.now))
        answer = proposals.propose(tx, run_id, proposed, Author.PERSON, force="force" in flags)
        return _told(tx, run_id, answer)

    def all_of(tx: Tx, current: str) -> list[str]:
        wrong = []
        for wanted in cases.TO:
            for flags, theirs in _recorded(current, wanted, all_flags=all_flags):
                ours, expected = one(tx, current, wanted, flags), theirs
                for difference in DIFFERENCES:
                    if difference.applies(current, wanted, flags):
                        expected = difference.ours(theirs)
                        difference.seen += expected != theirs
                if not (ours == expected or ours.startswith(expected + " ")):
                    wrong.append(f"{current} -> {wanted} {flags}: expected {expected}; got {ours}")
        return wrong

    wrong = [line for current in cases.FROM for line in place.store.transaction(all_of, current)]
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:40])
    assert all(difference.seen for difference in DIFFERENCES), "this difference is none any more"


STORY_DIFFERENCES = {
    ("the same transition once more", 2): (
        "200 REJECT RUNNING/Running count=1 start",
        "a transition is made once, by force as well: transports repeat what they got no answer to",
    ),
}


@pytest.mark.parametrize("name", cases.STORIES)
def test_stories(place: Installation, name: str) -> None:
    told = cases.STORIES[name]
    deployment = place.deployment(pool=None)

    def begin(tx: Tx) -> UUID:
        body = FlowRunCreate(
            flow_id=deployment.flow_id,
            deployment_id=deployment.id if told.get("deployment") else None,
            parent_task_run_id=deployment.id if told.get("parent") else None,
            empirical_policy=told.get("policy", {}),
        )
        run_id: UUID = alone(tx, body)[0].id
        return run_id

    run_id = place.store.transaction(begin)
    for number, (step, theirs) in enumerate(zip(told["steps"], RECORD["stories"][name], strict=True)):
        place.clock.advance(1)
        ours = place.store.transaction(_step, run_id, step)
        expected, _why = STORY_DIFFERENCES.get((name, number), (theirs, ""))
        assert ours == expected, f"step {number}: {step}"


def _step(tx: Tx, run_id: UUID, step: dict[str, Any]) -> str:
    if "type" in step:
        state = StateCreate.model_validate(cases.in_time(step, tx.now))
        return _told(tx, run_id, proposals.propose(tx, run_id, state, Author.PERSON, force=step.get("force", False)))
    if "resume" in step:
        return _told(tx, run_id, resume(tx, run_id, step["resume"], Author.PERSON))
    if "patch" in step:
        runs.change(tx, run_id, FlowRunUpdate.model_validate(step["patch"]))
        return "204"
    if "input" in step:
        inputs.create(tx, run_id, InputCreate(key=step["input"], value=step["value"]))
        return "201"
    return inputs.read(tx, run_id, step["read input"])
