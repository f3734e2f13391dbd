"""/artifacts"""

from __future__ import annotations

from uuid import UUID

from skylift.api import scopes
from skylift.api.callers import Caller, CallerDep
from skylift.api.deps import FilterBody, PartsDep
from skylift.api.routing import Router
from skylift.models.artifacts import Artifact, ArtifactCollection, ArtifactCreate, ArtifactUpdate
from skylift.parts import Parts
from skylift.store import artifacts

router = Router(prefix="/artifacts", tags=["Artifacts"])


@router.post("/", status_code=201, dependencies=[scopes.own_by_body(in_hooks=True)])
def create_artifact(parts: PartsDep, caller: CallerDep, body: ArtifactCreate) -> Artifact:
    """A run may only make artifacts of its own, and of its subflows."""
    caller.must_reach(parts.store, body.flow_run_id)
    caller.must_reach_task_run(parts.store, body.task_run_id)
    return parts.store.transaction(artifacts.create, body)


@router.post("/filter", dependencies=[scopes.SHARED_READ])
def filter_artifacts(parts: PartsDep, body: FilterBody) -> list[Artifact]:
    with parts.store.reading() as tx:
        return artifacts.find(tx, body.filters, body.sort, body.limit, body.offset)


@router.post("/count", dependencies=[scopes.SHARED_READ])
def count_artifacts(parts: PartsDep, body: FilterBody) -> int:
    with parts.store.reading() as tx:
        return artifacts.count(tx, body.filters)


@router.post("/latest/filter", dependencies=[scopes.SHARED_READ])
def filter_latest_artifacts(parts: PartsDep, body: FilterBody) -> list[ArtifactCollection]:
    """Of each key the newest artifact."""
    with parts.store.reading() as tx:
        return artifacts.find_latest(tx, body.filters, body.sort, body.limit, body.offset)


@router.post("/latest/count", dependencies=[scopes.SHARED_READ])
def count_latest_artifacts(parts: PartsDep, body: FilterBody) -> int:
    with parts.store.reading() as tx:
        return artifacts.count_latest(tx, body.filters)


@router.get("/{key}/latest", dependencies=[scopes.seen()])
def read_latest_artifact(parts: PartsDep, caller: CallerDep, key: str) -> ArtifactCollection:
    with parts.store.reading() as tx:
        artifact = artifacts.latest(tx, key)
        caller.must_see(tx, artifact.flow_run_id)
        return artifact


@router.get("/{artifact_id}", dependencies=[scopes.seen()])
def read_artifact(parts: PartsDep, caller: CallerDep, artifact_id: UUID) -> Artifact:
    with parts.store.reading() as tx:
        artifact = artifacts.by_id(tx, artifact_id)
        caller.must_see(tx, artifact.flow_run_id)
        return artifact


@router.patch("/{artifact_id}", status_code=204, dependencies=[scopes.own_by_body(in_hooks=True)])
def update_artifact(parts: PartsDep, caller: CallerDep, artifact_id: UUID, body: ArtifactUpdate) -> None:
    """A run may only change its own."""
    _must_reach(parts, caller, artifact_id)
    parts.store.transaction(artifacts.change, artifact_id, body)


@router.delete("/{artifact_id}", status_code=204, dependencies=[scopes.own_by_body()])
def delete_artifact(parts: PartsDep, caller: CallerDep, artifact_id: UUID) -> None:
    """A run may only delete its own."""
    _must_reach(parts, caller, artifact_id)
    parts.store.transaction(artifacts.remove, artifact_id)


def _must_reach(parts: Parts, caller: Caller, artifact_id: UUID) -> None:
    if caller.is_run:
        with parts.store.reading() as tx:
            flow_run_id = artifacts.row_of(tx, artifact_id).flow_run_id
        caller.must_reach(parts.store, flow_run_id)
