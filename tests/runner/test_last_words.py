"""What the server makes of a Prefect flow's runner: its terms, its heartbeats, and its last word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from skylift import admission, new_runs
from skylift.dispatch import dispatch
from skylift.errors import GoneError
from skylift.models.flows import DeploymentCreate, Engine, FlowCreate
from skylift.models.runs import DeploymentRunCreate, Ended, FlowRunUpdate, Terms
from skylift.models.states import State, StateCreate, StateDetails
from skylift.provider import Rejected
from skylift.rendering import Frozen, freeze, read_origins
from skylift.store import Tx, deployments, flows, proposals, runs
from skylift.store.tables import attempts, due
from skylift.transitions import Author
from tests.support.installation import Installation

WRAPPED = "nice prefect flow-run execute"
AWAITING_RETRY: dict[str, Any] = {"type": "SCHEDULED", "name": "AwaitingRetry"}
SUSPENDED: dict[str, Any] = {"type": "PAUSED", "name": "Suspended", "state_details": {"pause_reschedule": True}}


@pytest.fixture
def place(store_url: str) -> Iterator[Installation]:
    made = Installation(store_url)
    yield made
    made.close()


class Started:
    """A Prefect run under a runner that was admitted."""

    def __init__(self, place: Installation) -> None:
        self.place, self.pool = place, place.pool()
        deployment = place.deployment(
            job_variables={"command": WRAPPED, "runner": True},
            pull_steps=[{"my_company.steps.fetch": {"from": "somewhere"}}],
        )
        self.run = place.run(deployment.id)
        dispatch(place.parts, self.pool.id)
        ((self.attempt, container),) = place.cloud.alive().items()
        nonce = container.env["SKYLIFT_NONCE"]
        self.terms: Terms = place.store.transaction(admission.admit, place.parts.sealer, self.attempt, "a", nonce)

    def propose(self, **state: Any) -> None:
        details = StateDetails(**{"transition_id": uuid4(), **state.pop("state_details", {})})
        wanted = StateCreate(**state, state_details=details)
        self.place.store.transaction(proposals.propose, self.run, wanted, Author.RUN)

    def end(self, outcome: str = "exited", exit_code: int | None = 0, reason: str = "exit code 0") -> State:
        word = Ended(instance="a", outcome=outcome, exit_code=exit_code, reason=reason)
        return self.place.store.transaction(admission.end, self.attempt, word)

    def beat(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.place.store.transaction(admission.heartbeat, self.attempt, "a")
        return answer

    def is_due(self) -> bool:
        return bool(self.place.rows(due))

    def holds_a_slot(self) -> bool:
        return bool(self.place.rows(attempts))


@pytest.fixture
def started(place: Installation) -> Started:
    return Started(place)


def test_the_terms_of_a_prefect_flow(started: Started) -> None:
    terms = started.terms
    assert (terms.kind, terms.command, terms.code) == ("prefect", WRAPPED.split(), [])
    expected = {
        "PREFECT__FLOW_RUN_ID": str(started.run),
        "PREFECT__FLOW_NAME": "flow",
        "PREFECT__DEPLOYMENT_NAME": "deployment",
        "PREFECT_UI_URL": "http://127.0.0.1:4200",
    }
    assert expected.items() <= terms.env.items()
    assert terms.token not in terms.env.values()


def frozen(place: Installation, **values: Any) -> Frozen:
    """The launch of a run of a deployment whose engine is Prefect's."""

    def work(tx: Tx) -> Frozen:
        flow, _ = flows.create(tx, FlowCreate(name="flow"))
        wanted = DeploymentCreate(name="real", flow_id=flow.id, work_pool_name="pool", engine=Engine.PREFECT, **values)
        deployment, _ = deployments.upsert(tx, wanted)
        run: UUID = new_runs.of_deployment(tx, deployment, DeploymentRunCreate())[0].id
        return freeze(place.parts, tx, read_origins(tx, [run])[run], uuid4(), "nonce")

    return place.store.transaction(work)


@pytest.mark.parametrize("command", [None, "python -m prefect.engine"])
def test_its_command_is_prefects_unless_another_is_named(place: Installation, command: str | None) -> None:
    place.pool()
    terms = frozen(place, job_variables={"runner": True, "command": command}).terms
    assert terms is not None
    assert terms["kind"] == "prefect"
    assert terms["command"] == (command or "prefect flow-run execute").split()


def test_it_needs_the_runner(place: Installation) -> None:
    place.pool()
    with pytest.raises(Rejected, match="needs the runner"):
        frozen(place, job_variables={"runner": False})


@pytest.mark.parametrize(
    ("states", "outcome", "exit_code", "expected"),
    [
        ([], "exited", 0, "Crashed"),
        ([{"type": "RUNNING"}], "exited", 0, "Crashed"),
        ([{"type": "RUNNING"}, {"type": "COMPLETED"}], "exited", 0, "Completed"),
        ([{"type": "RUNNING"}, {"type": "FAILED"}], "crashed", None, "Failed"),
        ([{"type": "RUNNING"}, SUSPENDED], "exited", 0, "Suspended"),
        ([{"type": "RUNNING"}, SUSPENDED], "suspended", None, "Suspended"),
        ([{"type": "RUNNING"}, {"type": "PAUSED"}], "exited", 1, "Crashed"),
        ([{"type": "RUNNING"}], "suspended", 0, "Crashed"),
    ],
)
def test_the_last_word(
    started: Started, states: list[dict[str, Any]], outcome: str, exit_code: int | None, expected: str
) -> None:
    for state in states:
        started.propose(**state)
    assert started.end(outcome, exit_code).name == expected
    assert not started.holds_a_slot()
    assert not started.is_due()


def test_a_crash_says_what_the_process_said_last(started: Started) -> None:
    started.propose(type="RUNNING")
    message = started.end(reason="The process ended with exit code 0\nLast lines:\nSegmentation fault").message
    assert message is not None
    assert message.startswith("The run did not report how it ended. The process ended with exit code 0")
    assert message.endswith("Segmentation fault")


def test_who_is_to_be_rescheduled_becomes_due_with_the_last_word(started: Started) -> None:
    started.propose(type="RUNNING")
    started.propose(**AWAITING_RETRY)
    assert not started.is_due(), "its container is still there"
    started.end()
    assert started.is_due()
    assert not started.holds_a_slot()


def test_a_flow_that_retries_in_its_process_keeps_its_slot(started: Started) -> None:
    change = FlowRunUpdate(empirical_policy={"retries": 1, "retry_delay": 0})
    started.place.store.transaction(runs.change, started.run, change)
    started.propose(type="RUNNING")
    started.propose(type="FAILED")
    row = started.place.row(started.run)
    assert (row.state_name, started.holds_a_slot(), started.is_due()) == ("AwaitingRetry", True, False)
    dispatch(started.place.parts, started.pool.id)
    assert len(started.place.cloud.alive()) == 1
    started.propose(type="RUNNING")
    started.propose(type="FAILED")
    row = started.place.row(started.run)
    assert (row.state_name, row.run_count, started.holds_a_slot()) == ("Failed", 2, False)


def test_who_has_reported_its_end_clears_up_in_peace(started: Started) -> None:
    started.propose(type="RUNNING")
    started.propose(type="COMPLETED")
    assert not started.holds_a_slot()
    assert started.beat()["states"][str(started.run)]["type"] == "COMPLETED"
    assert started.end().name == "Completed"


def test_who_was_taken_for_dead_is_given_up(started: Started) -> None:
    """Its end was our decision, not its own report."""
    started.propose(type="RUNNING")
    started.place.cloud.containers[started.attempt].end(1)
    started.end("crashed")
    with pytest.raises(GoneError):
        started.beat()
    with pytest.raises(GoneError):
        started.end()
