"""What routes are given: the parts, and the bodies that several of them share."""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Body, Depends, Request
from pydantic import BaseModel, ConfigDict, PrivateAttr
from sqlalchemy import Row

from skylift.parts import Parts
from skylift.store import Tx
from skylift.store.filters import SEEN_BY, count_rows, select_filtered


async def parts_of(request: Request) -> Parts:
    """The installation that this app was made for."""
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(parts_of)]


class Filtering(BaseModel):
    """A body with filters by resource name, beside what a route adds."""

    model_config = ConfigDict(extra="allow")

    _seen_by: UUID | None = PrivateAttr(None)

    @property
    def asked(self) -> dict[str, Any]:
        """The filters as they were sent."""
        return dict(self.model_extra or {})

    @property
    def filters(self) -> dict[str, Any]:
        """What `skylift.store.filters` reads: those, narrowed to what the caller may see."""
        return {**self.asked, SEEN_BY: self._seen_by}

    def count(self, tx: Tx, resource: str) -> int:
        """How many of the resource match."""
        return count_rows(tx, resource, self.filters)

    def narrowed(self, request: Request) -> Self:
        """The same body, for whoever sent this request; `scopes` has noted who that is."""
        self._seen_by = request.state.seen_by
        return self


class Filter(Filtering):
    """The body of a `…/filter` route: filters by resource name, a sort and a page."""

    sort: str | None = None
    limit: int | None = None
    offset: int | None = None

    def rows(self, tx: Tx, resource: str) -> list[Row[Any]]:
        """The page of the resource that is asked for."""
        return tx.all(select_filtered(resource, self.filters, self.sort, self.limit, self.offset))


async def _filter(request: Request, body: Annotated[Filter, Body(default_factory=Filter)]) -> Filter:
    return body.narrowed(request)


FilterBody = Annotated[Filter, Depends(_filter)]
"""Any body, none included: what is not known is refused where it is read."""
