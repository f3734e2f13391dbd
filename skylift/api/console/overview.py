"""/skylift/overview: the installation at a glance."""

from __future__ import annotations

from sqlalchemy import select

from skylift import overview
from skylift.api import scopes, views
from skylift.api.deps import PartsDep
from skylift.api.tagged import TaggedRouter
from skylift.models.console.overview import Overview
from skylift.store.tables import work_pools

router = TaggedRouter(prefix="/skylift/overview", tags=["Console"])


@router.get("", dependencies=[scopes.NONE])
def read_overview(parts: PartsDep) -> Overview:
    """All pools with what runs and waits there, what failed in the last day and why, and what needs a person."""
    with parts.store.reading() as tx:
        rows = tx.all(select(work_pools).order_by(work_pools.c.name))
        return overview.read(parts, tx, views.pools(tx, rows, parts.providers))
