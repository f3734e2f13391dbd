"""/flow_run_states: states by themselves."""

from __future__ import annotations

from uuid import UUID

from skylift.api import scopes
from skylift.api.callers import CallerDep
from skylift.api.deps import PartsDep
from skylift.api.routing import Router
from skylift.models.states import State
from skylift.store import runs

router = Router(prefix="/flow_run_states", tags=["Flow run states"])


@router.get("/", dependencies=[scopes.seen()])
def read_flow_run_states(parts: PartsDep, caller: CallerDep, flow_run_id: UUID) -> list[State]:
    """All states of a run, oldest first; of a run that does not exist there are none."""
    with parts.store.reading() as tx:
        caller.must_see(tx, flow_run_id)
        return runs.history(tx, flow_run_id)


@router.get("/{state_id}", dependencies=[scopes.seen()])
def read_flow_run_state(parts: PartsDep, caller: CallerDep, state_id: UUID) -> State:
    with parts.store.reading() as tx:
        state = runs.state(tx, state_id)
        caller.must_see(tx, state.state_details.flow_run_id)
        return state
