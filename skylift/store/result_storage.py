"""The block in which results are kept where a flow names none: one for the installation, or none."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, select, update

from skylift.errors import InvalidError, NotFoundError
from skylift.store.engine import TryAgainError, Tx
from skylift.store.inserts import insert_if_new
from skylift.store.tables import block_documents, block_schemas
from skylift.store.tables import configuration as table

KEY = "default-result-storage"
CAPABILITY = "write-path"
"""What blocks that files can be written to declare."""


def read(tx: Tx) -> UUID | None:
    """The block document's id; None where it was deleted, too."""
    row = tx.one(select(table.c.value).where(table.c.key == KEY))
    if not row or not row.value:
        return None
    block = tx.one(select(block_documents.c.id).where(block_documents.c.id == UUID(row.value)))
    return block.id if block else None


def write(tx: Tx, block_document_id: UUID) -> None:
    """Raises `NotFoundError`, and `InvalidError` where the block cannot keep files."""
    block = tx.one(
        select(block_schemas.c.capabilities)
        .join(block_documents, block_documents.c.block_schema_id == block_schemas.c.id)
        .where(block_documents.c.id == block_document_id)
    )
    if not block:
        raise NotFoundError(f"There is no block document {block_document_id}")
    if CAPABILITY not in block.capabilities:
        raise InvalidError(
            f"The block document {block_document_id} cannot keep results: take one that files can be written to",
            field="default_result_storage_block_id",
        )
    values = {"value": str(block_document_id), "updated": tx.now}
    if tx.run(update(table).where(table.c.key == KEY).values(**values)):
        return
    if not insert_if_new(tx, table, {"key": KEY, **values}):
        raise TryAgainError("Another request has just set the default result storage")


def clear(tx: Tx) -> None:
    """From now on there is none."""
    tx.run(delete(table).where(table.c.key == KEY))
