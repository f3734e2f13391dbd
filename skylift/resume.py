"""Resuming a paused flow run, with the answers to the form that it asks to be filled in."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from jsonschema.exceptions import best_match

from skylift.errors import InvalidError
from skylift.models.runs import InputCreate, OrchestrationResult, SetStateStatus
from skylift.models.states import State, StateCreate, StateType
from skylift.parameters import check_schema
from skylift.store import Tx, inputs, proposals, runs
from skylift.templates.validator import TooCostlyError, errors_of, validator_for
from skylift.transitions import Author, is_suspended


def resume(tx: Tx, run_id: UUID, run_input: dict[str, Any] | None, author: Author) -> OrchestrationResult:
    """Let a paused run go on: in its process, or, where it was suspended, launched again.

    `run_input` is held to the schema that the run left under its state's keyset, and kept for it. Raises
    `NotFoundError`.
    """
    run = runs.lock(tx, run_id)
    current = runs.state(tx, run.state_id)
    if current.type is not StateType.PAUSED:
        return _answer(SetStateStatus.ABORT, None, "Only a paused run can be resumed")
    keyset = current.state_details.run_input_keyset
    answers = run_input or {}
    if keyset:
        try:
            _check(inputs.find(tx, run_id, keyset.get("schema", "")), answers)
        except InvalidError as error:
            return _answer(SetStateStatus.REJECT, current, str(error))
    if is_suspended(current):
        wanted = StateCreate(type=StateType.SCHEDULED, name="Resuming")
    else:
        wanted = StateCreate(type=StateType.RUNNING)
    result = proposals.propose(tx, run_id, wanted, author)
    if keyset and answers and "response" in keyset and result.status is SetStateStatus.ACCEPT:
        inputs.create(tx, run_id, InputCreate(key=keyset["response"], value=json.dumps(answers, separators=(",", ":"))))
    return result


def _answer(status: SetStateStatus, state: State | None, reason: str) -> OrchestrationResult:
    return OrchestrationResult(
        state=state, status=status, details={"type": f"{status.lower()}_details", "reason": reason}
    )


def _check(written: str | None, answers: dict[str, Any]) -> None:
    """Raises `InvalidError`."""
    if written is None:
        raise InvalidError("The run left no schema for its input")
    try:
        schema = json.loads(written)
    except ValueError:
        raise InvalidError("The schema for the run's input is no JSON") from None
    if not isinstance(schema, dict):
        raise InvalidError("The schema for the run's input is no JSON object")
    try:
        check_schema(schema)
        error = best_match(errors_of(validator_for(schema).evolve(format_checker=None), answers))
    except (TooCostlyError, RecursionError):
        raise InvalidError("The run's input takes too long to be held to its schema") from None
    if error:
        where = ".".join(["run_input", *map(str, error.absolute_path)])
        raise InvalidError(f"{where}: {error.message}", field=where)
