"""Pages of what a filter matches, and the bodies that name what is to be changed or deleted at once."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Depends, Request
from pydantic import BaseModel, Field

from skylift.api.deps import Filter, Filtering
from skylift.store import Tx
from skylift.store.filters import MAX_LIMIT, select_filtered

MOST_AT_ONCE = 50
"""How much one request may delete or change, in the dialect."""


class PageFilter(Filter):
    """The body of a `…/paginate` route: as of `…/filter`, with the number of a page instead of an offset."""

    page: int = Field(1, ge=1, le=2**31 // MAX_LIMIT)

    @property
    def size(self) -> int:
        return MAX_LIMIT if self.limit is None else self.limit


async def _page(request: Request, body: Annotated[PageFilter, Body(default_factory=PageFilter)]) -> PageFilter:
    return body.narrowed(request)


PageBody = Annotated[PageFilter, Depends(_page)]


class Page(BaseModel):
    """Where a page is among all; each resource adds its `results`."""

    count: int
    limit: int
    pages: int
    page: int


def read_page(tx: Tx, resource: str, body: PageFilter) -> tuple[list[Any], dict[str, int]]:
    """The rows of the page, and the fields of `Page`."""
    size = body.size
    rows = tx.all(select_filtered(resource, body.filters, body.sort, size, (body.page - 1) * size))
    count = body.count(tx, resource)
    return rows, {"count": count, "limit": size, "pages": -(-count // size) if size else 0, "page": body.page}


class Bulk(Filtering):
    """The body of a route that acts on all that a filter matches, up to a limit. Such routes are for people only."""

    limit: int = Field(MOST_AT_ONCE, ge=1, le=MOST_AT_ONCE)


BulkBody = Annotated[Bulk, Body(default_factory=Bulk)]


def matching_ids(tx: Tx, resource: str, body: Bulk) -> list[UUID]:
    """What is to be acted on."""
    return [row.id for row in tx.all(select_filtered(resource, body.filters, None, body.limit))]


class Deleted(BaseModel):
    deleted: list[UUID]
