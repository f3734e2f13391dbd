"""Variables and blocks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from skylift.models.base import JsonObject, Name, Stored, Wire
from skylift.models.events import Indexable


class VariableCreate(Wire):
    name: Name
    value: Any = None
    tags: list[str] = Field(default_factory=list)


class VariableUpdate(Wire):
    name: Name | None = None
    value: Any = None
    tags: list[str] | None = None


class Variable(Stored):
    name: str
    value: Any
    tags: list[str]


class BlockTypeCreate(Wire):
    name: str
    slug: Name
    logo_url: str | None = None
    documentation_url: str | None = None
    description: str | None = None
    code_example: str | None = None


class BlockTypeUpdate(Wire):
    logo_url: str | None = None
    documentation_url: str | None = None
    description: str | None = None
    code_example: str | None = None


class BlockType(Stored):
    name: str
    slug: str
    logo_url: str | None
    documentation_url: str | None
    description: str | None
    code_example: str | None
    is_protected: bool


class BlockSchemaCreate(Wire):
    block_type_id: UUID
    fields: JsonObject
    capabilities: list[str] = Field(default_factory=list)
    version: Indexable = "non-versioned"


class BlockSchema(Stored):
    checksum: str
    fields: JsonObject
    block_type_id: UUID
    block_type: BlockType | None = None
    capabilities: list[str]
    version: str


class BlockDocumentCreate(Wire):
    name: Name | None = None
    data: JsonObject = Field(default_factory=dict)
    block_schema_id: UUID
    block_type_id: UUID
    is_anonymous: bool = False


class BlockDocumentUpdate(Wire):
    data: JsonObject = Field(default_factory=dict)
    block_schema_id: UUID | None = None
    merge_existing_data: bool = True


class BlockDocument(Stored):
    name: str | None
    data: JsonObject
    block_schema_id: UUID
    block_schema: BlockSchema | None = None
    block_type_id: UUID
    block_type_name: str | None = None
    block_type: BlockType | None = None
    is_anonymous: bool
