"""Deployments and their schedules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update

from skylift import templates
from skylift.errors import ConflictError, InvalidError, NotFoundError
from skylift.ids import new_id
from skylift.models.flows import (
    DeploymentCreate,
    DeploymentUpdate,
    Engine,
    ScheduleCreate,
    ScheduleUpdate,
)
from skylift.recurrence import content_identity
from skylift.store import pools, prepared, runs
from skylift.store.engine import Tx
from skylift.store.tables import (
    deployment_polls,
    deployment_schedules,
    deployments,
    flows,
    schedule_slots,
    work_pools,
)
from skylift.wakeups import Dispatch
from skylift.wakeups import Schedule as ScheduleWakeup

SHAPES_RUNS = {"parameters", "tags", "labels", "work_pool_id", "work_queue_id", "version"}
"""Columns that a scheduled run takes over: where one changes, runs that are still to come are made anew."""


# -- reading ----------------------------------------------------------------------------------------------------------


def by_id(tx: Tx, deployment_id: UUID) -> Row[Any]:
    """The deployment. Raises `NotFoundError`."""
    row = prepared.first(tx, deployments.c.id, deployment_id)
    if not row:
        raise NotFoundError(f"Deployment {deployment_id} not found")
    return row


def by_name(tx: Tx, flow_name: str, name: str) -> Row[Any]:
    """The flow's deployment of this name. Raises `NotFoundError`."""
    row = tx.one(
        select(deployments)
        .join(flows, flows.c.id == deployments.c.flow_id)
        .where(flows.c.name == flow_name, deployments.c.name == name)
    )
    if not row:
        raise NotFoundError(f"Deployment {flow_name}/{name} not found")
    return row


def schedules_of(tx: Tx, deployment_ids: Iterable[UUID]) -> dict[UUID, list[Row[Any]]]:
    """The schedules of these deployments, oldest first."""
    ids = list(deployment_ids)
    found: dict[UUID, list[Row[Any]]] = {deployment_id: [] for deployment_id in ids}
    rows = prepared.every(tx, deployment_schedules.c.deployment_id, ids)
    for row in sorted(rows, key=lambda each: (each.created, each.id)):
        found[row.deployment_id].append(row)
    return found


# -- writing ----------------------------------------------------------------------------------------------------------


def upsert(tx: Tx, wanted: DeploymentCreate) -> tuple[Row[Any], bool]:
    """The deployment of this flow and name as wanted, and whether it is new."""
    flow = tx.one(select(flows.c.id, flows.c.labels).where(flows.c.id == wanted.flow_id))
    if not flow:
        raise NotFoundError(f"Flow {wanted.flow_id} not found")
    found = tx.one(
        select(deployments.c.id).where(deployments.c.flow_id == wanted.flow_id, deployments.c.name == wanted.name)
    )
    values = wanted.model_dump(
        mode="json", exclude={"flow_id", "schedules", "work_pool_name", "work_queue_name", "concurrency_options"}
    )
    values |= _place(tx, wanted.work_pool_name, wanted.work_queue_name)
    values["labels"] = {**flow.labels, "prefect.flow.id": str(flow.id), **wanted.labels}
    values["collision_strategy"] = _strategy(wanted)
    values["engine"] = wanted.engine or _engine(values)
    _check_job_variables(tx, values, f"deployment {wanted.name!r}")
    if found:
        _write(tx, found.id, values, wanted.schedules)
        return by_id(tx, found.id), False
    deployment_id = new_id()
    tx.run(
        insert(deployments).values(
            **values, id=deployment_id, flow_id=wanted.flow_id, created=tx.now, updated=tx.now, claims=0
        )
    )
    sync_schedules(tx, by_id(tx, deployment_id), wanted.schedules)
    return by_id(tx, deployment_id), True


def update_deployment(tx: Tx, deployment_id: UUID, changes: DeploymentUpdate) -> None:
    """Change the given fields; explicit nulls clear where that makes sense."""
    row = by_id(tx, deployment_id)
    given = changes.model_fields_set
    values = changes.model_dump(
        mode="json",
        exclude_unset=True,
        exclude={"schedules", "work_pool_name", "work_queue_name", "concurrency_options"},
    )
    for never_null in ("paused", "parameters", "job_variables", "tags", "labels", "enforce_parameter_schema", "engine"):
        if values.get(never_null, ...) is None:
            del values[never_null]
    if "labels" in values:
        values["labels"] = {"prefect.flow.id": str(row.flow_id), **values["labels"]}
    if "work_pool_name" in given or "work_queue_name" in given:
        pool_name = changes.work_pool_name if "work_pool_name" in given else pool_name_of(tx, row)
        values |= _place(tx, pool_name, changes.work_queue_name)
    if "concurrency_options" in given:
        values["collision_strategy"] = _strategy(changes)
    _check_job_variables(tx, {**row._mapping, **values}, f"deployment {row.name!r}")
    _write(tx, deployment_id, values, changes.schedules)


def _strategy(wanted: DeploymentCreate | DeploymentUpdate) -> str | None:
    return str(wanted.concurrency_options.collision_strategy) if wanted.concurrency_options else None


def _engine(values: dict[str, Any]) -> Engine:
    return Engine.COMMAND if values["job_variables"].get("command") else Engine.PREFECT


def _place(tx: Tx, pool_name: str | None, queue_name: str | None) -> dict[str, UUID | None]:
    """Where the runs go. A queue that does not exist is made, as in the dialect; a pool is not."""
    if pool_name is None:
        if queue_name is not None:
            raise InvalidError(
                "work_queue_name needs a work_pool_name: queues belong to pools", field="work_queue_name"
            )
        return {"work_pool_id": None, "work_queue_id": None}
    pool = pools.by_name(tx, pool_name)
    return {"work_pool_id": pool.id, "work_queue_id": pools.ensure_queue(tx, pool, queue_name).id}


def pool_name_of(tx: Tx, row: Row[Any]) -> str | None:
    """The name of the pool that a deployment or run goes to."""
    name: str | None = tx.conn.execute(select(work_pools.c.name).where(work_pools.c.id == row.work_pool_id)).scalar()
    return name


def _check_job_variables(tx: Tx, values: dict[str, Any], origin: str) -> None:
    if values["work_pool_id"]:
        template = pools.by_id(tx, values["work_pool_id"]).base_job_template
        layers = [templates.Layer(origin, values["job_variables"])]
        templates.check_job_variables(template, layers, complete=False)


def _write(tx: Tx, deployment_id: UUID, values: dict[str, Any], schedules: Sequence[ScheduleCreate] | None) -> None:
    before = lock(tx, deployment_id)
    if values:
        prepared.change(tx, deployments, deployment_id, values)
    after = by_id(tx, deployment_id)
    if after.paused != before.paused:
        for schedule in schedules_of(tx, [deployment_id])[deployment_id]:
            _switch(tx, after, schedule, on=schedule.active)
    elif any(getattr(before, name) != getattr(after, name) for name in SHAPES_RUNS):
        for schedule in schedules_of(tx, [deployment_id])[deployment_id]:
            _begin_anew(tx, after, schedule, min(schedule.cursor, tx.now))
    if schedules is not None:
        sync_schedules(tx, after, schedules)
    if after.work_pool_id and after.concurrency_limit != before.concurrency_limit:
        tx.wake(Dispatch(after.work_pool_id), tx.now)  # runs that waited for this limit may go now


def lock(tx: Tx, deployment_id: UUID) -> Row[Any]:
    """The deployment; others who want to change it wait, and so do ticks of its schedules: what such a tick was just
    about to write is then there to be taken back. Raises `NotFoundError`."""
    row = prepared.lock(tx, deployments, deployment_id)
    if not row:
        raise NotFoundError(f"Deployment {deployment_id} not found")
    mine = deployment_schedules.c.deployment_id == deployment_id
    tx.run(update(deployment_schedules).where(mine).values(updated=deployment_schedules.c.updated))
    return row


def delete_deployment(tx: Tx, deployment_id: UUID) -> None:
    """Remove a deployment, its schedules and its runs that never started; what runs goes on."""
    lock(tx, deployment_id)
    runs.delete_many(tx, runs.waiting_of_deployment(tx, deployment_id))
    for table in (deployment_schedules, schedule_slots, deployment_polls):
        tx.run(delete(table).where(table.c.deployment_id == deployment_id))
    tx.run(delete(deployments).where(deployments.c.id == deployment_id))


# -- schedules --------------------------------------------------------------------------------------------------------


def identity_of(wanted: ScheduleCreate) -> str:
    """What the schedule's slots belong to: its slug, or else its content."""
    return wanted.slug or content_identity(wanted.schedule, wanted.parameters)


def sync_schedules(tx: Tx, deployment: Row[Any], wanted: Sequence[ScheduleCreate]) -> None:
    """Make the deployment's schedules these. One that is there already keeps its cursor, and so all its slots."""
    known = {row.identity: row for row in schedules_of(tx, [deployment.id])[deployment.id]}
    seen: set[str] = set()
    for index, each in enumerate(wanted):
        identity = identity_of(each)
        if identity in seen:
            raise InvalidError(
                f"schedules.{index} is the same as an earlier one (slug or content)",
                field=f"schedules.{index}",
            )
        seen.add(identity)
        if identity in known:
            _change(tx, deployment, known[identity], each.model_dump(mode="json"))
        else:
            add_schedule(tx, deployment, each)
    for identity, row in known.items():
        if identity not in seen:
            remove_schedule(tx, row)


def add_schedule(tx: Tx, deployment: Row[Any], wanted: ScheduleCreate) -> UUID:
    """A new schedule: its first slot is the first one after now. Raises `InvalidError` where it exists already."""
    identity, schedule_id = identity_of(wanted), new_id()
    if any(row.identity == identity for row in schedules_of(tx, [deployment.id])[deployment.id]):
        raise InvalidError("The deployment has this schedule already (slug or content)", field="schedules")
    on = wanted.active and not deployment.paused
    tx.run(
        insert(deployment_schedules).values(
            **wanted.model_dump(mode="json"),
            id=schedule_id,
            created=tx.now,
            updated=tx.now,
            deployment_id=deployment.id,
            identity=identity,
            cursor=tx.now,
            tick_at=tx.now if on else None,
        )
    )
    if on:
        tx.wake(ScheduleWakeup(), tx.now)
    return schedule_id


def schedule_by_id(tx: Tx, deployment_id: UUID, schedule_id: UUID) -> Row[Any]:
    """A schedule of the deployment. Raises `NotFoundError`."""
    row = tx.one(
        select(deployment_schedules).where(
            deployment_schedules.c.id == schedule_id, deployment_schedules.c.deployment_id == deployment_id
        )
    )
    if not row:
        raise NotFoundError(f"Schedule {schedule_id} not found")
    return row


def update_schedule(tx: Tx, deployment_id: UUID, schedule_id: UUID, changes: ScheduleUpdate) -> None:
    """Change the given fields of a schedule."""
    deployment = lock(tx, deployment_id)
    row = schedule_by_id(tx, deployment_id, schedule_id)
    values = changes.model_dump(mode="json", exclude_unset=True)
    for never_null in ("schedule", "active", "parameters"):
        if values.get(never_null, ...) is None:
            del values[never_null]
    _change(tx, deployment, row, values)


def _change(tx: Tx, deployment: Row[Any], row: Row[Any], values: dict[str, Any]) -> None:
    old = dict(row._mapping)
    changed = {name: value for name, value in values.items() if old[name] != value}
    if not changed:
        return
    if {"schedule", "parameters", "slug"} & set(changed) and not (old["slug"] or values.get("slug")):
        # Without a slug the content is the identity.
        schedule = ScheduleCreate.model_validate({"schedule": values.get("schedule", old["schedule"])}).schedule
        changed["identity"] = content_identity(schedule, values.get("parameters", old["parameters"]))
    elif values.get("slug"):
        changed["identity"] = values["slug"]
    if changed.get("identity", old["identity"]) != old["identity"]:
        known = schedules_of(tx, [deployment.id])[deployment.id]
        if any(each.identity == changed["identity"] for each in known):
            same = f"the slug {changed['slug']!r}" if changed.get("slug") else "the same content"
            raise ConflictError(f"The deployment has another schedule with {same}")
        discard_future(tx, deployment.id, old["identity"])
    tx.run(update(deployment_schedules).where(deployment_schedules.c.id == row.id).values(**changed, updated=tx.now))
    new = schedule_by_id(tx, deployment.id, row.id)
    if "active" in changed:
        _switch(tx, deployment, new, on=new.active)
    elif {"schedule", "parameters", "identity"} & set(changed):
        discard_future(tx, deployment.id, old["identity"])
        _begin_anew(tx, deployment, new, tx.now)


def let_tick(tx: Tx, deployment_id: UUID) -> list[UUID]:
    """Have the deployment's schedules that are on continued now; says which."""
    lock(tx, deployment_id)
    rows = tx.conn.execute(
        update(deployment_schedules)
        .where(deployment_schedules.c.deployment_id == deployment_id, deployment_schedules.c.tick_at.is_not(None))
        .values(tick_at=tx.now)
        .returning(deployment_schedules.c.id)
    )
    return sorted(row.id for row in rows)


def remove_schedule(tx: Tx, row: Row[Any]) -> None:
    """Remove a schedule and its runs that are still to come; its ledger of the past stays."""
    discard_future(tx, row.deployment_id, row.identity)
    tx.run(delete(deployment_schedules).where(deployment_schedules.c.id == row.id))


def _switch(tx: Tx, deployment: Row[Any], schedule: Row[Any], *, on: bool) -> None:
    """A schedule that is off owes nothing: switched on again, it goes on from now."""
    if on and not deployment.paused:
        _begin_anew(tx, deployment, schedule, tx.now)
    else:
        discard_future(tx, deployment.id, schedule.identity)
        tx.run(
            update(deployment_schedules)
            .where(deployment_schedules.c.id == schedule.id)
            .values(tick_at=None, cursor=tx.now)
        )


def _begin_anew(tx: Tx, deployment: Row[Any], schedule: Row[Any], cursor: datetime) -> None:
    discard_future(tx, deployment.id, schedule.identity)
    if schedule.active and not deployment.paused:
        tx.run(
            update(deployment_schedules)
            .where(deployment_schedules.c.id == schedule.id)
            .values(cursor=cursor, tick_at=tx.now)
        )
        tx.wake(ScheduleWakeup(), tx.now)


def discard_future(tx: Tx, deployment_id: UUID, identity: str) -> None:
    """Take back the slots that are still to come, with those of their runs that nobody has started."""
    future = (
        schedule_slots.c.deployment_id == deployment_id,
        schedule_slots.c.identity == identity,
        schedule_slots.c.slot > tx.now,
    )
    made = [row.flow_run_id for row in tx.all(select(schedule_slots.c.flow_run_id).where(*future))]
    unstarted = runs.unstarted(tx, [run_id for run_id in made if run_id])
    runs.delete_many(tx, unstarted)
    tx.run(
        delete(schedule_slots).where(
            *future, schedule_slots.c.flow_run_id.is_(None) | schedule_slots.c.flow_run_id.in_(unstarted)
        )
    )


def find(tx: Tx, deployment_id: UUID | None) -> Row[Any] | None:
    """The deployment, if there is (still) one."""
    return prepared.first(tx, deployments.c.id, deployment_id) if deployment_id else None
