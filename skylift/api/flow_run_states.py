"""/flow_run_states: states by themselves."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.models.states import State
from skylift.store import runs

router = APIRouter(prefix="/flow_run_states", tags=["Flow run states"])


@router.get("/", dependencies=[scopes.SHARED_READ])
def read_flow_run_states(parts: PartsDep, flow_run_id: UUID) -> list[State]:
    """All states of a run, oldest first; of a run that does not exist there are none."""
    with parts.store.reading() as tx:
        return runs.history(tx, flow_run_id)


@router.get("/{state_id}", dependencies=[scopes.SHARED_READ])
def read_flow_run_state(parts: PartsDep, state_id: UUID) -> State:
    with parts.store.reading() as tx:
        return runs.state(tx, state_id)
