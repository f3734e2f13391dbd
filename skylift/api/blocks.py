"""/block_types, /block_schemas, /block_documents, /block_capabilities"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from skylift.api import scopes
from skylift.api.callers import Caller, CallerDep
from skylift.api.deps import Filter, FilterBody, PartsDep
from skylift.api.routing import Router
from skylift.models.api_keys import Role
from skylift.models.stored_values import (
    BlockDocumentCreate,
    BlockDocumentUpdate,
    BlockSchema,
    BlockSchemaCreate,
    BlockType,
    BlockTypeCreate,
    BlockTypeUpdate,
)
from skylift.store import block_documents, blocks
from skylift.store.block_documents import Document


def wants_secrets(caller: Caller, include_secrets: bool) -> bool:
    """Raises `ForbiddenError` for a key that may not see secrets."""
    if include_secrets:
        caller.must_be(Role.DEPLOYER)
    return include_secrets


async def _wants_secrets(caller: CallerDep, include_secrets: bool = False) -> bool:
    return wants_secrets(caller, include_secrets)


IncludeSecrets = Annotated[bool, Depends(_wants_secrets)]

router = Router(tags=["Blocks"])


@router.post("/block_types/", status_code=201, dependencies=[scopes.KEPT_WRITE])
def create_block_type(parts: PartsDep, body: BlockTypeCreate) -> BlockType:
    return parts.store.transaction(blocks.create_type, body)


@router.post("/block_types/filter", dependencies=[scopes.SHARED_READ])
def filter_block_types(parts: PartsDep, body: FilterBody) -> list[BlockType]:
    with parts.store.reading() as tx:
        return blocks.find_types(tx, body.filters, body.sort, body.limit, body.offset)


@router.get("/block_types/{block_type_id}", dependencies=[scopes.SHARED_READ])
def read_block_type(parts: PartsDep, block_type_id: UUID) -> BlockType:
    with parts.store.reading() as tx:
        return blocks.type_by_id(tx, block_type_id)


@router.patch("/block_types/{block_type_id}", status_code=204, dependencies=[scopes.KEPT_WRITE])
def update_block_type(parts: PartsDep, block_type_id: UUID, body: BlockTypeUpdate) -> None:
    parts.store.transaction(blocks.update_type, block_type_id, body)


@router.delete("/block_types/{block_type_id}", status_code=204, dependencies=[scopes.NONE])
def delete_block_type(parts: PartsDep, block_type_id: UUID) -> None:
    """With all that is stored by it."""
    parts.store.transaction(blocks.delete_type, block_type_id)


@router.get("/block_types/slug/{slug}", dependencies=[scopes.SHARED_READ])
def read_block_type_by_slug(parts: PartsDep, slug: str) -> BlockType:
    with parts.store.reading() as tx:
        return blocks.type_by_slug(tx, slug)


@router.get("/block_types/slug/{slug}/block_documents", dependencies=[scopes.SHARED_READ])
def read_block_documents_of_type(parts: PartsDep, slug: str, include_secrets: IncludeSecrets) -> list[Document]:
    with parts.store.reading() as tx:
        kind = blocks.type_by_slug(tx, slug)
        own = {"block_documents": {"block_type_id": {"any_": [str(kind.id)]}}}
        return block_documents.find(tx, parts.sealer, own, include_secrets=include_secrets)


@router.get("/block_types/slug/{slug}/block_documents/name/{name}", dependencies=[scopes.SHARED_READ])
def read_block_document_by_name(parts: PartsDep, slug: str, name: str, include_secrets: IncludeSecrets) -> Document:
    with parts.store.reading() as tx:
        return block_documents.by_name(tx, parts.sealer, slug, name, include_secrets=include_secrets)


@router.post("/block_schemas/", status_code=201, dependencies=[scopes.KEPT_WRITE])
def create_block_schema(parts: PartsDep, body: BlockSchemaCreate, response: Response) -> BlockSchema:
    """Make a schema (201), or answer with the one that has these fields and version (200)."""
    schema, made = parts.store.transaction(blocks.create_schema, body)
    response.status_code = 201 if made else 200
    return schema


@router.post("/block_schemas/filter", dependencies=[scopes.SHARED_READ])
def filter_block_schemas(parts: PartsDep, body: FilterBody) -> list[BlockSchema]:
    """The newest first."""
    with parts.store.reading() as tx:
        return blocks.find_schemas(tx, body.filters, body.limit, body.offset)


@router.get("/block_schemas/checksum/{checksum}", dependencies=[scopes.SHARED_READ])
def read_block_schema_by_checksum(parts: PartsDep, checksum: str, version: str | None = None) -> BlockSchema:
    with parts.store.reading() as tx:
        return blocks.schema_by_checksum(tx, checksum, version)


@router.get("/block_schemas/{block_schema_id}", dependencies=[scopes.SHARED_READ])
def read_block_schema(parts: PartsDep, block_schema_id: UUID) -> BlockSchema:
    with parts.store.reading() as tx:
        return blocks.schema_by_id(tx, block_schema_id)


@router.delete("/block_schemas/{block_schema_id}", status_code=204, dependencies=[scopes.NONE])
def delete_block_schema(parts: PartsDep, block_schema_id: UUID) -> None:
    parts.store.transaction(blocks.delete_schema, block_schema_id)


@router.get("/block_capabilities/", dependencies=[scopes.SHARED_READ])
def read_block_capabilities(parts: PartsDep) -> list[str]:
    with parts.store.reading() as tx:
        return blocks.capabilities(tx)


class DocumentFilter(Filter):
    """The body of a filter of documents, which also says whether secrets are wanted."""

    include_secrets: bool = False


@router.post("/block_documents/", status_code=201, dependencies=[scopes.KEPT_WRITE])
def create_block_document(parts: PartsDep, body: BlockDocumentCreate) -> Document:
    return parts.store.transaction(block_documents.create, parts.sealer, body)


@router.post("/block_documents/filter", dependencies=[scopes.SHARED_READ])
def filter_block_documents(parts: PartsDep, caller: CallerDep, body: DocumentFilter | None = None) -> list[Document]:
    wanted = body or DocumentFilter()
    wants_secrets(caller, wanted.include_secrets)
    with parts.store.reading() as tx:
        return block_documents.find(
            tx,
            parts.sealer,
            wanted.filters,
            wanted.sort,
            wanted.limit,
            wanted.offset,
            include_secrets=wanted.include_secrets,
        )


@router.post("/block_documents/count", dependencies=[scopes.SHARED_READ])
def count_block_documents(parts: PartsDep, body: DocumentFilter | None = None) -> int:
    with parts.store.reading() as tx:
        return block_documents.count(tx, (body or DocumentFilter()).filters)


@router.get("/block_documents/{block_document_id}", dependencies=[scopes.SHARED_READ])
def read_block_document(parts: PartsDep, block_document_id: UUID, include_secrets: IncludeSecrets) -> Document:
    with parts.store.reading() as tx:
        return block_documents.by_id(tx, parts.sealer, block_document_id, include_secrets=include_secrets)


@router.patch("/block_documents/{block_document_id}", status_code=204, dependencies=[scopes.KEPT_WRITE])
def update_block_document(parts: PartsDep, block_document_id: UUID, body: BlockDocumentUpdate) -> None:
    parts.store.transaction(block_documents.update, parts.sealer, block_document_id, body)


@router.delete("/block_documents/{block_document_id}", status_code=204, dependencies=[scopes.KEPT_WRITE])
def delete_block_document(parts: PartsDep, block_document_id: UUID) -> None:
    parts.store.transaction(block_documents.delete, block_document_id)
