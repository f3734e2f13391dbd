"""/skylift/blocks and /skylift/variables: what there is, by name, without secrets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from sqlalchemy import Row, select

from skylift.api import scopes
from skylift.api.console import cursors
from skylift.api.deps import PartsDep
from skylift.api.tagged import TaggedRouter
from skylift.models.console.stored import BlockRow, BlockRows, VariableRow, VariableRows
from skylift.store.tables import block_documents, block_types, variables
from skylift.templates import looks_secret

router = TaggedRouter(prefix="/skylift", tags=["Console"])

After = Annotated[str | None, Query(description="The cursor of a page: `next` of the one before")]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("/blocks", dependencies=[scopes.NONE])
def read_blocks(parts: PartsDep, after: After = None, limit: Limit = 50) -> BlockRows:
    """Blocks that have names, by type and name; none of their data."""
    start = cursors.read(after, cursors.offset) if after else 0
    named = (
        select(
            block_documents.c.id,
            block_documents.c.name,
            block_documents.c.updated,
            block_types.c.name.label("block_type"),
            block_types.c.slug.label("block_type_slug"),
        )
        .join(block_types, block_types.c.id == block_documents.c.block_type_id)
        .where(block_documents.c.is_anonymous.is_(False), block_documents.c.name.is_not(None))
        .order_by(block_types.c.name, block_documents.c.name, block_documents.c.id)
    )
    with parts.store.reading() as tx:
        rows = tx.all(named.limit(limit + 1).offset(start))
    return BlockRows(
        blocks=[BlockRow.model_validate(row) for row in rows[:limit]],
        next=cursors.write(start + limit) if len(rows) > limit else None,
    )


@router.get("/variables", dependencies=[scopes.NONE])
def read_variables(parts: PartsDep, after: After = None, limit: Limit = 50) -> VariableRows:
    """Variables by name; the value of one whose name sounds like a secret's is left out."""
    start = cursors.read(after, cursors.offset) if after else 0
    with parts.store.reading() as tx:
        rows = tx.all(select(variables).order_by(variables.c.name).limit(limit + 1).offset(start))
    return VariableRows(
        variables=[_variable(row) for row in rows[:limit]],
        next=cursors.write(start + limit) if len(rows) > limit else None,
    )


def _variable(row: Row[Any]) -> VariableRow:
    hidden = looks_secret(row.name)
    value = None if hidden else row.value
    return VariableRow(id=row.id, name=row.name, value=value, is_hidden=hidden, tags=row.tags, updated=row.updated)
