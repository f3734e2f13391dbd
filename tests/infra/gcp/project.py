"""Provisioning in the local Google, as a test asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from skylift.provisioner import Handover, PoolIdentity
from skylift_infra.gcp import PROVISIONER
from skylift_infra.infrastructure import CloudInfrastructure
from tests.infra.pools import Changes, LocalPools

POOL = PoolIdentity("nightly", "cloud-run:push", UUID("6a1b8b0e-52a1-7c11-8ef0-0123456789ab"))


class Pools(LocalPools):
    provisioner = PROVISIONER
    usual = POOL
    given: ClassVar = {"project": "central-kit-405415"}


def opened(pool: PoolIdentity = POOL, **answers: Any) -> CloudInfrastructure:
    return Pools().open(pool, **answers)


def applied(pool: PoolIdentity = POOL, **answers: Any) -> Handover:
    return Pools().apply(pool, **answers)


def destroyed(pool: PoolIdentity = POOL, **answers: Any) -> None:
    Pools().destroy(pool, **answers)


def changes(pool: PoolIdentity = POOL, **answers: Any) -> Changes:
    return Pools().changes(pool, **answers)


def with_block(handover: Handover, held: Mapping[str, Any] | None = None) -> PoolIdentity:
    """The pool as it is once its credentials block holds what was handed over, secrets masked."""
    data = {**(held or {}), **handover.block_data} if handover.block_keeps_secrets else dict(handover.block_data)
    data = {name: "********" if name == "service_account_info" else value for name, value in data.items()}
    return PoolIdentity(POOL.name, POOL.type, POOL.installation_id, block=data)
