"""Blocks and variables, by name: never their secrets."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from skylift.models.base import Instant
from skylift.models.console.base import View


class BlockRow(View):
    id: UUID
    name: str
    block_type: str = Field(description="Its name")
    block_type_slug: str
    updated: Instant


class BlockRows(View):
    """Blocks that have names, by type and name; none of their data."""

    blocks: list[BlockRow]
    next: str | None = Field(description="The cursor of the page after this one; null: this was the last")


class VariableRow(View):
    id: UUID
    name: str
    value: Any
    is_hidden: bool = Field(description="Whether its name sounds like a secret's, and the value is left out")
    tags: list[str]
    updated: Instant


class VariableRows(View):
    variables: list[VariableRow]
    next: str | None = Field(description="The cursor of the page after this one; null: this was the last")
