"""What was made in the cloud for a work pool, held against what is there now.

Whoever has credentials of the cloud can look: a person's command line, which reports what it saw, or this service where
the pool's provisioner is installed.
"""

from __future__ import annotations

from typing import Any

from skylift import registry
from skylift.errors import NotFoundError
from skylift.models.console.pools import InfrastructureView, ResourceState, ResourceView, SeenInfrastructure
from skylift.parts import Parts
from skylift.provisioner import PoolIdentity, Provisioner
from skylift.store import Tx, block_documents, infrastructure, pools

STATES = {
    "nothing": ResourceState.IN_PLACE,
    "adopt": ResourceState.NOT_OURS,
    "keep": ResourceState.NOT_OURS,
    "create": ResourceState.MISSING,
    "update": ResourceState.CHANGED,
    "delete": ResourceState.SUPERFLUOUS,
}
"""By the action that a plan would take."""
DRIFTED = (ResourceState.MISSING, ResourceState.CHANGED, ResourceState.SUPERFLUOUS)


def shown(tx: Tx, pool_name: str) -> InfrastructureView:
    """What is on record, with what was last seen of it. Raises `NotFoundError` for a pool that nobody knows."""
    made, seen = infrastructure.both(tx, pool_name)
    if not made:
        pools.by_name(tx, pool_name)
    record = made.value if made else {}
    return InfrastructureView(
        work_pool=pool_name,
        type=record.get("type"),
        place=record.get("place"),
        resources=_seen(seen.value) if seen else _recorded(record),
        recorded_at=made.updated if made else None,
        checked_at=seen.updated if seen else None,
        can_check=bool(made) and record.get("type") in registry.provisioners(),
    )


def _recorded(record: dict[str, Any]) -> list[ResourceView]:
    return [
        ResourceView(key=key, kind=each["kind"], name=each["name"], state=ResourceState.UNCHECKED)
        for key, each in record.get("resources", {}).items()
    ]


def _seen(value: dict[str, Any]) -> list[ResourceView]:
    return [
        ResourceView(
            key=each.key,
            kind=each.kind,
            name=each.name,
            state=STATES[each.action],
            differences=each.why,
            url=each.url,
        )
        for each in SeenInfrastructure.model_validate(value).steps
    ]


def drifted(seen: dict[str, Any]) -> list[ResourceView]:
    """What is missing or has changed."""
    return [each for each in _seen(seen) if each.state in DRIFTED]


def note(tx: Tx, pool_name: str, seen: SeenInfrastructure) -> None:
    """Keep what somebody saw. Raises `NotFoundError` where nothing was made."""
    if infrastructure.read(tx, pool_name) is None:
        raise _nothing(pool_name)
    infrastructure.note_seen(tx, pool_name, seen.model_dump(mode="json"))


def check(parts: Parts, pool_name: str) -> None:
    """Look in the cloud, with the credentials of this process, and keep what is there; takes seconds. Raises
    `NotFoundError`, `MissingExtraError` and `ProvisionError`."""
    with parts.store.reading() as tx:
        record = infrastructure.read(tx, pool_name)
        provisioner = registry.provisioner(record.get("type", "")) if record else None
        if record is None or provisioner is None:
            raise _nothing(pool_name)
        held = _block(parts, tx, pool_name, provisioner)
    identity = PoolIdentity(
        pool_name,
        provisioner.type,
        parts.store.installation_id,
        parts.settings.api_url,
        held,
        record.get("resources", {}),
    )
    plan = provisioner.open(identity, record.get("answers", {})).plan()
    seen = SeenInfrastructure.model_validate(plan.as_json())
    parts.store.transaction(note, pool_name, seen)


def _block(parts: Parts, tx: Tx, pool_name: str, provisioner: Provisioner) -> dict[str, Any]:
    """What the pool's credentials block holds, its secrets masked."""
    name = f"{pool_name}-{provisioner.block_type}"
    try:
        return block_documents.by_name(tx, parts.sealer, provisioner.block_type, name).data
    except NotFoundError:
        return {}


def _nothing(pool_name: str) -> NotFoundError:
    return NotFoundError(f"No infrastructure of a work pool named {pool_name!r} is known here")
