"""Provisioning in the local Google, as a test asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from skylift.provisioner import Handover, PoolIdentity, Record
from skylift_infra.gcp import PROVISIONER
from skylift_infra.infrastructure import CloudInfrastructure

POOL = PoolIdentity("nightly", "cloud-run:push", UUID("6a1b8b0e-52a1-7c11-8ef0-0123456789ab"))
ANSWERS: dict[str, Any] = {
    "project": "central-kit-405415",
    "region": "us-central1",
    "repository": "",
    "service_account": "",
    "dispatcher": "",
    "events_to": "",
    "with_key": False,
}


def opened(pool: PoolIdentity = POOL, **answers: Any) -> CloudInfrastructure:
    found = PROVISIONER.open(pool, ANSWERS | answers)
    found.sleep = lambda _: None
    return found


def applied(pool: PoolIdentity = POOL, **answers: Any) -> Handover:
    return opened(pool, **answers).apply(lambda record: None, lambda step: None)


def destroyed(pool: PoolIdentity = POOL, **answers: Any) -> None:
    opened(pool, **answers).destroy(lambda record: None, lambda step: None)


def records_of(**answers: Any) -> list[Record]:
    found: list[Record] = []
    opened(**answers).apply(found.append, lambda step: None)
    return found


def with_block(handover: Handover, held: Mapping[str, Any] | None = None) -> PoolIdentity:
    """The pool as it is once its credentials block holds what was handed over, secrets masked."""
    data = {**(held or {}), **handover.block_data} if handover.block_keeps_secrets else dict(handover.block_data)
    data = {name: "********" if name == "service_account_info" else value for name, value in data.items()}
    return PoolIdentity(POOL.name, POOL.type, POOL.installation_id, block=data)


def changes(pool: PoolIdentity = POOL, **answers: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(step.key, step.action, step.why) for step in opened(pool, **answers).plan().changes]
