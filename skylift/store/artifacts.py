"""Artifacts: what flows show people. Of those that share a key the newest stands for all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update

from skylift.errors import InvalidError, NotFoundError
from skylift.ids import new_id
from skylift.models.artifacts import Artifact, ArtifactCollection, ArtifactCreate, ArtifactUpdate
from skylift.store.engine import TryAgainError, Tx
from skylift.store.filters import count_rows, select_filtered
from skylift.store.inserts import insert_if_new
from skylift.store.tables import artifact_collections as collections
from skylift.store.tables import artifacts as table

MAX_DATA = 8 * 1024 * 1024
"""Of an artifact's data as JSON, in characters."""


def create(tx: Tx, wanted: ArtifactCreate) -> Artifact:
    """A new artifact; where it has a key it is the newest of that key."""
    _check_size(wanted.data)
    values = wanted.model_dump() | {"id": new_id(), "created": tx.now, "updated": tx.now}
    if wanted.key is not None:
        _make_newest(tx, wanted.key, values)
    tx.run(insert(table).values(values))
    return Artifact.model_validate(values)


def _make_newest(tx: Tx, key: str, values: Mapping[str, Any]) -> None:
    """The key's row is locked by this, so that two who make an artifact at once agree on which is the newer."""
    newest = {"latest_id": values["id"], **{name: values[name] for name in ("type", "flow_run_id", "task_run_id")}}
    if tx.run(update(collections).where(collections.c.key == key).values(**newest, updated=tx.now)):
        return
    row = {"id": new_id(), "created": tx.now, "updated": tx.now, "key": key, **newest}
    if not insert_if_new(tx, collections, row):
        raise TryAgainError(f"Another request has just made the first artifact with the key {key!r}")


def row_of(tx: Tx, artifact_id: UUID) -> Row[Any]:
    """The artifact. Raises `NotFoundError`."""
    row = tx.one(select(table).where(table.c.id == artifact_id))
    if not row:
        raise NotFoundError(f"There is no artifact {artifact_id}")
    return row


def by_id(tx: Tx, artifact_id: UUID) -> Artifact:
    """The artifact. Raises `NotFoundError`."""
    return Artifact.model_validate(row_of(tx, artifact_id))


def latest(tx: Tx, key: str) -> ArtifactCollection:
    """The newest artifact of a key. Raises `NotFoundError`."""
    rows = tx.all(select(collections).where(collections.c.key == key))
    if not rows:
        raise NotFoundError(f"There is no artifact with the key {key!r}")
    return _newest(tx, rows)[0]


def find(
    tx: Tx,
    filters: Mapping[str, Any] | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> list[Artifact]:
    """What the wire's filter asks for."""
    return [Artifact.model_validate(row) for row in tx.all(select_filtered("artifacts", filters, sort, limit, offset))]


def count(tx: Tx, filters: Mapping[str, Any] | None = None) -> int:
    """How many the wire's filter matches."""
    return count_rows(tx, "artifacts", filters)


def find_latest(
    tx: Tx,
    filters: Mapping[str, Any] | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> list[ArtifactCollection]:
    """Of each key the newest artifact, where that is what the wire's filter asks for."""
    return _newest(tx, tx.all(select_filtered("artifact_collections", _of_latest(filters), sort, limit, offset)))


def count_latest(tx: Tx, filters: Mapping[str, Any] | None = None) -> int:
    """How many keys the wire's filter matches."""
    return count_rows(tx, "artifact_collections", _of_latest(filters))


def _of_latest(filters: Mapping[str, Any] | None) -> dict[str, Any]:
    """On the wire both are called artifacts."""
    return {"artifact_collections" if name == "artifacts" else name: body for name, body in (filters or {}).items()}


def _newest(tx: Tx, rows: Iterable[Row[Any]]) -> list[ArtifactCollection]:
    rows = list(rows)
    found = tx.all(select(table).where(table.c.id.in_([row.latest_id for row in rows])))
    artifacts = {row.id: row._mapping for row in found}
    return [
        ArtifactCollection.model_validate({**artifacts[row.latest_id], "latest_id": row.latest_id, "id": row.id})
        for row in rows
        if row.latest_id in artifacts
    ]


def change(tx: Tx, artifact_id: UUID, wanted: ArtifactUpdate) -> None:
    """Change what is given. Raises `NotFoundError`."""
    changes = wanted.model_dump(exclude_unset=True)
    _check_size(changes.get("data"))
    if not tx.run(update(table).where(table.c.id == artifact_id).values(**changes, updated=tx.now)):
        row_of(tx, artifact_id)
    tx.run(update(collections).where(collections.c.latest_id == artifact_id).values(updated=tx.now))


def remove(tx: Tx, artifact_id: UUID) -> None:
    """Delete it; the one before it becomes its key's newest. Raises `NotFoundError`."""
    row = row_of(tx, artifact_id)
    if row.key is not None:  # locks the key, as making one does
        tx.run(update(collections).where(collections.c.key == row.key).values(updated=collections.c.updated))
    tx.run(delete(table).where(table.c.id == artifact_id))
    if row.key is not None:
        _step_back(tx, row.key, artifact_id)


def remove_many(tx: Tx, artifact_ids: Iterable[UUID]) -> None:
    """Delete those of these that there are; of their keys those before them become the newest."""
    ids = sorted(artifact_ids)
    if not ids:
        return
    # Locks the keys, as making one does, in one order.
    for key in sorted(
        {row.key for row in tx.all(select(table.c.key).where(table.c.id.in_(ids))) if row.key is not None}
    ):
        tx.run(update(collections).where(collections.c.key == key).values(updated=collections.c.updated))
    newest = tx.all(select(collections.c.key, collections.c.latest_id).where(collections.c.latest_id.in_(ids)))
    tx.run(delete(table).where(table.c.id.in_(ids)))
    for row in newest:
        _step_back(tx, row.key, row.latest_id)


def _step_back(tx: Tx, key: str, removed: UUID) -> None:
    was_newest = (collections.c.key == key, collections.c.latest_id == removed)
    before = tx.one(
        select(table).where(table.c.key == key).order_by(table.c.created.desc(), table.c.id.desc()).limit(1)
    )
    if not before:
        tx.run(delete(collections).where(*was_newest))
        return
    tx.run(
        update(collections)
        .where(*was_newest)
        .values(
            latest_id=before.id,
            type=before.type,
            flow_run_id=before.flow_run_id,
            task_run_id=before.task_run_id,
            updated=before.updated,
        )
    )


def _check_size(data: Any) -> None:
    if len(json.dumps(data)) > MAX_DATA:
        raise InvalidError(
            f"The data of an artifact may take at most {MAX_DATA} characters: keep it elsewhere, and link to it",
            field="data",
        )
