"""/logs"""

from __future__ import annotations

from skylift.api import scopes
from skylift.api.callers import CallerDep
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.routing import Router
from skylift.errors import ForbiddenError
from skylift.models.api_keys import Role
from skylift.models.runs import Log, LogCreate
from skylift.store import logs

router = Router(prefix="/logs", tags=["Logs"])


@router.post("/", status_code=201, dependencies=[scopes.own_by_body(after_end=True)])
def create_logs(parts: PartsDep, caller: CallerDep, body: list[LogCreate]) -> None:
    """Keep a batch. A run may only write to its own."""
    caller.must_reach(parts.store, *{line.flow_run_id for line in body})
    parts.store.transaction(logs.append, body)


@router.post("/filter", dependencies=[scopes.own_by_body(role=Role.VIEWER)])
def filter_logs(parts: PartsDep, caller: CallerDep, body: FilterBody) -> list[Log]:
    """Lines in order of time. A run must name the runs, and may only read those of runs that it may see."""
    runs = logs.read_wanted(body.asked).runs()
    if caller.is_run and runs is None:
        raise ForbiddenError("The token of a run must filter by its own flow_run_id")
    with parts.store.reading(together=True) as tx:
        caller.must_see(tx, *(runs or []))
        return logs.find(tx, body.asked, body.sort, body.limit, body.offset)
