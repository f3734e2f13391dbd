"""/task_runs and /task_run_states: for reading, and for the few task runs that do not come from events."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response

from skylift.api import scopes
from skylift.api.callers import CallerDep
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.histories import HistoryBody
from skylift.api.pages import Page, PageBody, read_page
from skylift.api.routing import Router
from skylift.models.runs import HistoryInterval, OrchestrationResult, SetState
from skylift.models.states import State
from skylift.models.task_runs import TaskRun, TaskRunCreate, TaskRunUpdate
from skylift.store import Tx, task_runs

router = Router(prefix="/task_runs", tags=["Task runs"])
states_router = Router(prefix="/task_run_states", tags=["Task run states"])


@router.post("/", status_code=201, dependencies=[scopes.own_by_body()])
def create_task_run(parts: PartsDep, caller: CallerDep, body: TaskRunCreate, response: Response) -> TaskRun:
    """200 where there is one with this key and dynamic key in the flow run: that one."""
    caller.must_reach(parts.store, body.flow_run_id)

    def work(tx: Tx) -> tuple[TaskRun, bool]:
        row, made = task_runs.create(tx, body)
        return task_runs.view(tx, [row])[0], made

    run, made = parts.store.transaction(work)
    response.status_code = 201 if made else 200
    return run


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_task_runs(parts: PartsDep, body: FilterBody) -> list[TaskRun]:
    with parts.store.reading() as tx:
        rows = body.rows(tx, "task_runs")
        return task_runs.view(tx, rows)


@router.post("/count", dependencies=[scopes.SHARED_READ])
def count_task_runs(parts: PartsDep, body: FilterBody) -> int:
    with parts.store.reading() as tx:
        return body.count(tx, "task_runs")


class TaskRunPage(Page):
    results: list[TaskRun]


@router.post("/paginate", dependencies=[scopes.SHARED_READ])
def paginate_task_runs(parts: PartsDep, body: PageBody) -> TaskRunPage:
    with parts.store.reading() as tx:
        rows, page = read_page(tx, "task_runs", body)
        return TaskRunPage(results=task_runs.view(tx, rows), **page)


@router.post("/history", dependencies=[scopes.SHARED_READ])
def read_history(parts: PartsDep, body: HistoryBody) -> list[HistoryInterval]:
    """How many task runs of each state were expected in each interval."""
    with parts.store.reading() as tx:
        return body.read(tx, "task_runs")


@router.get("/{task_run_id}", dependencies=[scopes.seen()])
def read_task_run(parts: PartsDep, caller: CallerDep, task_run_id: UUID) -> TaskRun:
    with parts.store.reading() as tx:
        row = task_runs.by_id(tx, task_run_id)
        caller.must_see(tx, row.flow_run_id)
        return task_runs.view(tx, [row])[0]


@router.patch("/{task_run_id}", status_code=204, dependencies=[scopes.own_by_body()])
def update_task_run(parts: PartsDep, caller: CallerDep, task_run_id: UUID, body: TaskRunUpdate) -> None:
    caller.must_reach_task_run(parts.store, task_run_id)
    parts.store.transaction(task_runs.change, task_run_id, body)


@router.delete("/{task_run_id}", status_code=204, dependencies=[scopes.DEPLOY])
def delete_task_run(parts: PartsDep, task_run_id: UUID) -> None:
    parts.store.transaction(task_runs.remove, task_run_id)


@router.post("/{task_run_id}/set_state", dependencies=[scopes.own_by_body()])
def set_state(
    parts: PartsDep, caller: CallerDep, task_run_id: UUID, body: SetState, response: Response
) -> OrchestrationResult:
    """Propose a state: 201 where one was written, 200 where not."""
    caller.must_reach_task_run(parts.store, task_run_id)
    result = parts.store.transaction(task_runs.propose, task_run_id, body.state, force=body.force)
    response.status_code = 201 if result.was_written else 200
    return result


@states_router.get("/", dependencies=[scopes.seen()])
def read_task_run_states(parts: PartsDep, caller: CallerDep, task_run_id: UUID) -> list[State]:
    """All states of a task run, oldest first; of one that does not exist there are none."""
    with parts.store.reading() as tx:
        caller.must_see_task_run(tx, task_run_id)
        return task_runs.history(tx, task_run_id)


@states_router.get("/{state_id}", dependencies=[scopes.seen()])
def read_task_run_state(parts: PartsDep, caller: CallerDep, state_id: UUID) -> State:
    with parts.store.reading() as tx:
        state = task_runs.state(tx, state_id)
        caller.must_see(tx, state.state_details.flow_run_id)
        return state
