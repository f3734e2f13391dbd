"""/skylift/work_pools/{name}/infrastructure: what was made in the cloud for a pool, and what of it has changed."""

from __future__ import annotations

from skylift import drift
from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.tagged import TaggedRouter
from skylift.models.console.pools import InfrastructureView, SeenInfrastructure

router = TaggedRouter(prefix="/skylift/work_pools/{name}/infrastructure", tags=["Console"])


@router.get("", dependencies=[scopes.NONE])
def read_infrastructure(parts: PartsDep, name: str) -> InfrastructureView:
    """What is on record, with what the last check saw of it. Asks no cloud."""
    with parts.store.reading() as tx:
        return drift.shown(tx, name)


@router.post("/check", dependencies=[scopes.DEPLOY])
def check_infrastructure(parts: PartsDep, name: str) -> InfrastructureView:
    """Look in the cloud, with the credentials of this service, and keep what is there; takes seconds. 501: the pool's
    provisioner is not installed here, so `skylift work-pool infra` has to look; 502: the cloud could not be asked."""
    drift.check(parts, name)
    with parts.store.reading() as tx:
        return drift.shown(tx, name)


@router.put("/seen", status_code=204, dependencies=[scopes.DEPLOY])
def report_infrastructure(parts: PartsDep, name: str, body: SeenInfrastructure) -> None:
    """Keep what somebody else saw who has credentials of the cloud: as `skylift work-pool infra NAME -o json` has
    it."""
    parts.store.transaction(drift.note, name, body)
