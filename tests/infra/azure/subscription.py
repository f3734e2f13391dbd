"""A local Azure subscription: pools in it, and calls to it that go wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from skylift.provisioner import Handover, Plan, PoolIdentity, ProvisionError, Record
from skylift_infra.azure import PROVISIONER
from skylift_infra.infrastructure import CloudInfrastructure
from tests.clouds.azure import SUBSCRIPTION
from tests.clouds.azure_infra import LocalSubscription
from tests.clouds.mischief import Kind

POOL = PoolIdentity("nightly", "azure-container-instance:push", UUID(int=7))
STEM = "skylift-nightly-131c8c21"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
GROUP = f"{SCOPE}/resourceGroups/{STEM}"
CHANGES = "*_[!GL]*"
"""Operations that are neither Get nor List."""
TRUSTED = "https://token.actions.githubusercontent.com|repo:me/flows:ref:refs/heads/main"


@dataclass
class Pools:
    """What somebody does with a pool in it; the record is kept as the service keeps it."""

    cloud: LocalSubscription
    record: Record = field(default_factory=dict)

    def open(self, pool: PoolIdentity = POOL, **answers: Any) -> CloudInfrastructure:
        wanted = {question.name: question.default for question in PROVISIONER.questions}
        known = replace(pool, recorded=self.record.get("resources", {}))
        made = PROVISIONER.open(known, wanted | {"subscription": SUBSCRIPTION} | answers)
        made.sleep = lambda seconds: None
        return made

    def apply(self, pool: PoolIdentity = POOL, **answers: Any) -> Handover:
        return self.open(pool, **answers).apply(self._note, lambda step: None)

    def plan(self, pool: PoolIdentity = POOL, **answers: Any) -> Plan:
        return self.open(pool, **answers).plan()

    def destroy(self, pool: PoolIdentity = POOL, **answers: Any) -> None:
        self.open(pool, **answers).destroy(self._note, lambda step: None)

    def changes(self, pool: PoolIdentity = POOL, **answers: Any) -> dict[str, tuple[str, tuple[str, ...]]]:
        return {step.key: (step.action, step.why) for step in self.plan(pool, **answers).changes}

    def failing(self, work: Callable[[], object], at: int, kind: Kind, *, reads: bool) -> bool:
        """Do it while the call of this number goes wrong, then once more. False: there were not so many calls.
        `reads`: whether those that only look are counted."""
        order = self.cloud.mischief.order("*" if reads else CHANGES, kind, after=at)
        with suppress(ProvisionError):
            work()
        self.cloud.mischief.behave()
        if order.times:
            return False
        work()
        return True

    def _note(self, record: Record) -> None:
        self.record = record
