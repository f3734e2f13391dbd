"""Block types and their schemas. What is stored by them is in `block_documents`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from skylift.errors import ConflictError, ForbiddenError, NotFoundError
from skylift.ids import new_id
from skylift.models.stored_values import (
    BlockSchema,
    BlockSchemaCreate,
    BlockType,
    BlockTypeCreate,
    BlockTypeUpdate,
)
from skylift.store.block_secrets import checksum
from skylift.store.engine import Tx
from skylift.store.filters import select_filtered
from skylift.store.inserts import insert_if_new
from skylift.store.tables import block_documents, block_schemas, block_types

RESERVED = "prefect"


# -- types ------------------------------------------------------------------------------------------------------------


def create_type(tx: Tx, wanted: BlockTypeCreate) -> BlockType:
    """Raises `ConflictError` where the slug is taken, `ForbiddenError` for the names that the dialect reserves."""
    if wanted.name.lower().startswith(RESERVED):
        raise ForbiddenError("Block type names that begin with 'Prefect' are reserved")
    if not insert_type(tx, wanted):
        raise ConflictError(f"A block type with the slug {wanted.slug!r} already exists")
    return type_by_slug(tx, wanted.slug)


def insert_type(tx: Tx, wanted: BlockTypeCreate, *, is_protected: bool = False) -> bool:
    """Insert it unless its slug is taken; says whether it was."""
    values = {"id": new_id(), "created": tx.now, "updated": tx.now, "is_protected": is_protected}
    return insert_if_new(tx, block_types, values | wanted.model_dump())


def type_by_id(tx: Tx, type_id: UUID) -> BlockType:
    """Raises `NotFoundError`."""
    return _type(tx.one(select(block_types).where(block_types.c.id == type_id)), str(type_id))


def type_by_slug(tx: Tx, slug: str) -> BlockType:
    """Raises `NotFoundError`."""
    return _type(tx.one(select(block_types).where(block_types.c.slug == slug)), repr(slug))


def find_types(
    tx: Tx,
    filters: Mapping[str, Any] | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> list[BlockType]:
    """What the wire's filter asks for."""
    rows = tx.all(select_filtered("block_types", filters, sort, limit, offset))
    return [BlockType.model_validate(row) for row in rows]


def types_by_ids(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, BlockType]:
    """Those that exist."""
    rows = tx.all(select(block_types).where(block_types.c.id.in_(set(ids))))
    return {row.id: BlockType.model_validate(row) for row in rows}


def update_type(tx: Tx, type_id: UUID, wanted: BlockTypeUpdate) -> None:
    """Change what is given. Raises `NotFoundError`."""
    changes = wanted.model_dump(exclude_unset=True)
    changed = block_types.update().where(block_types.c.id == type_id).values(**changes, updated=tx.now)
    if not tx.run(changed):
        raise NotFoundError(f"There is no block type {type_id}")


def delete_type(tx: Tx, type_id: UUID) -> None:
    """With its schemas and documents. Raises `NotFoundError`, and `ForbiddenError` for those that Skylift needs."""
    found = type_by_id(tx, type_id)
    if found.is_protected:
        raise ForbiddenError(f"The block type {found.slug!r} is part of Skylift and cannot be deleted")
    tx.run(block_documents.delete().where(block_documents.c.block_type_id == type_id))
    tx.run(block_schemas.delete().where(block_schemas.c.block_type_id == type_id))
    tx.run(block_types.delete().where(block_types.c.id == type_id))


def _type(row: Row[Any] | None, what: str) -> BlockType:
    if row is None:
        raise NotFoundError(f"There is no block type {what}")
    return BlockType.model_validate(row)


# -- schemas ----------------------------------------------------------------------------------------------------------


def create_schema(tx: Tx, wanted: BlockSchemaCreate) -> tuple[BlockSchema, bool]:
    """The schema with these fields and version, and whether it was made just now. Raises `NotFoundError`."""
    type_by_id(tx, wanted.block_type_id)
    values: dict[str, Any] = {
        "id": new_id(),
        "created": tx.now,
        "updated": tx.now,
        "checksum": checksum(wanted.fields),
        **wanted.model_dump(),
    }
    made = insert_if_new(tx, block_schemas, values)
    return schema_by_checksum(tx, values["checksum"], wanted.version), made


def schema_by_id(tx: Tx, schema_id: UUID) -> BlockSchema:
    """Raises `NotFoundError`."""
    found = schemas_by_ids(tx, [schema_id])
    if not found:
        raise NotFoundError(f"There is no block schema {schema_id}")
    return found[schema_id]


def schema_by_checksum(tx: Tx, wanted: str, version: str | None = None) -> BlockSchema:
    """The newest with this checksum, where no version is given. Raises `NotFoundError`."""
    query = select(block_schemas).where(block_schemas.c.checksum == wanted)
    if version is not None:
        query = query.where(block_schemas.c.version == version)
    rows = tx.all(query.order_by(block_schemas.c.created.desc(), block_schemas.c.id.desc()).limit(1))
    if not rows:
        raise NotFoundError(f"There is no block schema with the checksum {wanted!r}")
    return _schemas(tx, rows)[0]


def schemas_by_ids(tx: Tx, ids: Iterable[UUID]) -> dict[UUID, BlockSchema]:
    """Those that exist."""
    rows = tx.all(select(block_schemas).where(block_schemas.c.id.in_(set(ids))))
    return {schema.id: schema for schema in _schemas(tx, rows)}


def find_schemas(
    tx: Tx,
    filters: Mapping[str, Any] | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> list[BlockSchema]:
    """What the wire's filter asks for, the newest first."""
    return _schemas(tx, tx.all(select_filtered("block_schemas", filters, None, limit, offset)))


def delete_schema(tx: Tx, schema_id: UUID) -> None:
    """Raises `NotFoundError`, `ForbiddenError` for those that Skylift needs, `ConflictError` while documents use it."""
    found = schema_by_id(tx, schema_id)
    if found.block_type and found.block_type.is_protected:
        raise ForbiddenError("Schemas of block types that are part of Skylift cannot be deleted")
    if tx.one(select(block_documents.c.id).where(block_documents.c.block_schema_id == schema_id).limit(1)):
        raise ConflictError("Block documents use this schema: delete those first")
    tx.run(block_schemas.delete().where(block_schemas.c.id == schema_id))


def capabilities(tx: Tx) -> list[str]:
    """Every capability that some schema names."""
    rows = tx.all(select(block_schemas.c.capabilities).distinct())
    return sorted({name for row in rows for name in row.capabilities})


def _schemas(tx: Tx, rows: list[Row[Any]]) -> list[BlockSchema]:
    types = types_by_ids(tx, {row.block_type_id for row in rows}) if rows else {}
    return [BlockSchema.model_validate({**row._mapping, "block_type": types.get(row.block_type_id)}) for row in rows]
