"""What routes are given: the parts, and the bodies that several of them share."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Depends, Request
from pydantic import BaseModel, ConfigDict

from skylift.parts import Parts


def parts_of(request: Request) -> Parts:
    """The installation that this app was made for."""
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(parts_of)]


class Filter(BaseModel):
    """The body of a `…/filter` route: filters by resource name, a sort and a page."""

    model_config = ConfigDict(extra="allow")

    sort: str | None = None
    limit: int | None = None
    offset: int | None = None

    @property
    def filters(self) -> dict[str, Any]:
        """Everything but the sort and the page: what `skylift.store.filters` reads."""
        return dict(self.model_extra or {})


FilterBody = Annotated[Filter, Body(default_factory=Filter)]
"""Any body, none included: what is not known is refused where it is read."""
