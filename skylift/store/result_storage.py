"""The block in which results are kept where a flow names none: one for the installation, or none."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from skylift.errors import InvalidError, NotFoundError
from skylift.store import configuration
from skylift.store.engine import Tx
from skylift.store.tables import block_documents, block_schemas

KEY = "default-result-storage"
CAPABILITY = "write-path"
"""What blocks that files can be written to declare."""


def read(tx: Tx) -> UUID | None:
    """The block document's id; None where it was deleted, too."""
    value = configuration.read(tx, KEY)
    if not value:
        return None
    block = tx.one(select(block_documents.c.id).where(block_documents.c.id == UUID(value)))
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
    configuration.write(tx, KEY, str(block_document_id))


def clear(tx: Tx) -> None:
    """From now on there is none."""
    configuration.clear(tx, KEY)
