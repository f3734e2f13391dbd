"""Block documents: sealed as a whole in the store, their secrets masked unless they are asked for by name.

A value may refer to another document, `{"$ref": {"block_document_id": "…"}}`; when read, that document's data stands
there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from skylift.errors import ConflictError, InvalidError, NotFoundError
from skylift.ids import new_id
from skylift.models.base import JsonObject
from skylift.models.stored_values import (
    BlockDocument,
    BlockDocumentCreate,
    BlockDocumentUpdate,
    BlockSchema,
    BlockType,
)
from skylift.security.sealing import Sealer
from skylift.store import blocks
from skylift.store.block_secrets import mask, secret_paths, unmask
from skylift.store.engine import Tx
from skylift.store.filters import count_rows, select_filtered
from skylift.store.inserts import insert_if_new
from skylift.store.tables import block_documents, block_types

MAX_DATA = 1024 * 1024
"""Of a document as JSON, in characters."""
MAX_DEPTH = 10
"""How many documents may refer to one another in a row."""


class Document(BlockDocument):
    """A document as it is read: clients find the documents that it refers to in `block_document_references`."""

    block_document_references: JsonObject


def create(tx: Tx, sealer: Sealer, wanted: BlockDocumentCreate) -> Document:
    """Answers with the secrets masked. Raises `ConflictError`, `NotFoundError`, `InvalidError`."""
    if not wanted.is_anonymous and not wanted.name:
        raise InvalidError("A block document needs a name, unless it is anonymous", field="name")
    schema = blocks.schema_by_id(tx, wanted.block_schema_id)
    if schema.block_type_id != wanted.block_type_id:
        raise InvalidError("This block schema belongs to another block type", field="block_schema_id")
    document_id = new_id()
    _check(tx, sealer, wanted.data, document_id)
    values = wanted.model_dump() | {"id": document_id, "created": tx.now, "updated": tx.now}
    if not insert_if_new(tx, block_documents, values | {"data": sealer.seal(wanted.data)}):
        kind = schema.block_type.slug if schema.block_type else schema.block_type_id
        raise ConflictError(f"A block of type {kind!r} with the name {wanted.name!r} already exists")
    return by_id(tx, sealer, document_id)


def by_id(tx: Tx, sealer: Sealer, document_id: UUID, *, include_secrets: bool = False) -> Document:
    """Raises `NotFoundError`."""
    row = tx.one(select(block_documents).where(block_documents.c.id == document_id))
    if row is None:
        raise _missing(str(document_id))
    return _Reader(tx, sealer, include_secrets).document(row)


def by_name(tx: Tx, sealer: Sealer, slug: str, name: str, *, include_secrets: bool = False) -> Document:
    """The document of this block type (by slug) and name. Raises `NotFoundError`."""
    row = tx.one(
        select(block_documents)
        .join(block_types, block_types.c.id == block_documents.c.block_type_id)
        .where(block_types.c.slug == slug, block_documents.c.name == name)
    )
    if row is None:
        raise _missing(f"{slug}/{name}")
    return _Reader(tx, sealer, include_secrets).document(row)


def find(
    tx: Tx,
    sealer: Sealer,
    filters: Mapping[str, Any] | None = None,
    sort: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
    *,
    include_secrets: bool = False,
) -> list[Document]:
    """What the wire's filter asks for: without anonymous ones, unless it says otherwise."""
    rows = tx.all(select_filtered("block_documents", _named_only(filters), sort, limit, offset))
    reader = _Reader(tx, sealer, include_secrets)
    return [reader.document(row) for row in rows]


def count(tx: Tx, filters: Mapping[str, Any] | None = None) -> int:
    """How many the wire's filter matches."""
    return count_rows(tx, "block_documents", _named_only(filters))


def update(tx: Tx, sealer: Sealer, document_id: UUID, wanted: BlockDocumentUpdate) -> None:
    """Merge the data's keys into those that are there, or replace them all. A mask that was read and comes back keeps
    what it stands for. Raises `NotFoundError`, `InvalidError`."""
    row = tx.one(select(block_documents).where(block_documents.c.id == document_id))
    if row is None:
        raise _missing(str(document_id))
    current = sealer.open(row.data)
    old_schema = blocks.schema_by_id(tx, row.block_schema_id)
    data = unmask(wanted.data, current, secret_paths(old_schema.fields))
    if wanted.merge_existing_data:
        data = current | data
    schema_id = wanted.block_schema_id or row.block_schema_id
    if schema_id != row.block_schema_id:
        schema = blocks.schema_by_id(tx, schema_id)
        if schema.block_type_id != row.block_type_id:
            raise InvalidError("This block schema belongs to another block type", field="block_schema_id")
    _check(tx, sealer, data, document_id)
    tx.run(
        block_documents.update()
        .where(block_documents.c.id == document_id)
        .values(data=sealer.seal(data), block_schema_id=schema_id, updated=tx.now)
    )


def delete(tx: Tx, document_id: UUID) -> None:
    """Raises `NotFoundError`."""
    if not tx.run(block_documents.delete().where(block_documents.c.id == document_id)):
        raise _missing(str(document_id))


def reference(value: Any) -> UUID | None:
    """The document that a value refers to, where it is a reference and nothing else."""
    if isinstance(value, dict) and value.keys() == {"$ref"} and isinstance(value["$ref"], dict):
        try:
            return UUID(str(value["$ref"].get("block_document_id")))
        except ValueError:
            return None
    return None


class _Reader:
    """Opens documents and those that they refer to; types and schemas are read once."""

    def __init__(self, tx: Tx, sealer: Sealer, include_secrets: bool) -> None:
        self.tx = tx
        self.sealer = sealer
        self.include_secrets = include_secrets
        self._schemas: dict[UUID, BlockSchema] = {}

    def document(self, row: Row[Any], depth: int = 0) -> Document:
        schema = self._schema(row.block_schema_id)
        kind: BlockType | None = schema.block_type
        found: dict[str, Any] = {}
        stored = self.sealer.open(row.data)
        data = {key: self._resolve(value, depth, found, key) for key, value in stored.items()}
        if not self.include_secrets:
            data = mask(data, secret_paths(schema.fields))
        return Document.model_validate(
            {
                **row._mapping,
                "data": data,
                "block_schema": schema,
                "block_type": kind,
                "block_type_name": kind.name if kind else None,
                "block_document_references": found,
            }
        )

    def _resolve(self, value: Any, depth: int, found: dict[str, Any], key: str | None = None) -> Any:
        target = reference(value)
        if target and depth < MAX_DEPTH:
            row = self.tx.one(select(block_documents).where(block_documents.c.id == target))
            if row is None:  # deleted since: whoever uses the value says so
                return value
            document = self.document(row, depth + 1)
            if key is not None:
                found[key] = {"block_document": _as_reference(document)}
            return document.data
        if isinstance(value, dict):
            return {name: self._resolve(each, depth, found) for name, each in value.items()}
        if isinstance(value, list):
            return [self._resolve(each, depth, found) for each in value]
        return value

    def _schema(self, schema_id: UUID) -> BlockSchema:
        if schema_id not in self._schemas:
            self._schemas[schema_id] = blocks.schema_by_id(self.tx, schema_id)
        return self._schemas[schema_id]


def _as_reference(document: Document) -> dict[str, Any]:
    return {
        "id": str(document.id),
        "name": document.name,
        "block_type": document.block_type,
        "is_anonymous": document.is_anonymous,
        "block_document_references": document.block_document_references,
    }


def _named_only(filters: Mapping[str, Any] | None) -> dict[str, Any]:
    own = (filters or {}).get("block_documents") or {}
    if isinstance(own, Mapping) and "is_anonymous" not in own:
        own = {"operator": "and_", "is_anonymous": {"eq_": False}} | dict(own)
    return {**(filters or {}), "block_documents": own}


def _check(tx: Tx, sealer: Sealer, data: Any, document_id: UUID) -> None:
    """The size, and that every reference leads to a document, and none back to this one."""
    if len(json.dumps(data)) > MAX_DATA:
        raise InvalidError(f"A block document may take at most {MAX_DATA} characters", field="data")
    ahead = set(_references(data))
    for _ in range(MAX_DEPTH):
        if not ahead:
            return
        rows = tx.all(select(block_documents).where(block_documents.c.id.in_(ahead)))
        missing = ahead - {row.id for row in rows}
        if missing or document_id in ahead:
            bad = next(iter(missing), document_id)
            what = "refers to itself" if bad == document_id else f"refers to a block document that is not there: {bad}"
            raise InvalidError(f"The block document {what}", field="data")
        ahead = {each for row in rows for each in _references(sealer.open(row.data))}
    raise InvalidError(f"Block documents may refer to one another {MAX_DEPTH} deep at most", field="data")


def _references(value: Any) -> Iterator[UUID]:
    target = reference(value)
    if target:
        yield target
    elif isinstance(value, dict):
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _missing(what: str) -> NotFoundError:
    return NotFoundError(f"There is no block document {what}")
