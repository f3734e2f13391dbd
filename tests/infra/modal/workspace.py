"""A local Modal workspace: pools in it, and calls to it that go wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from skylift.provisioner import Handover, Plan, PoolIdentity, ProvisionError, Record
from skylift_infra.infrastructure import CloudInfrastructure
from skylift_infra.modal import PROVISIONER
from skylift_modal.connection import close_connections
from tests.clouds.mischief import Kind
from tests.clouds.modal_infra import LocalWorkspace

POOL = PoolIdentity("nightly", "modal:push", UUID(int=7))
STEM = "skylift-nightly-131c8c21d155"


@dataclass
class Pools:
    """What somebody does with pools in it; the record is kept as the service keeps it."""

    cloud: LocalWorkspace
    record: Record = field(default_factory=dict)

    def open(self, pool: PoolIdentity = POOL, **answers: Any) -> CloudInfrastructure:
        wanted = {question.name: question.default for question in PROVISIONER.questions}
        known = replace(pool, recorded=self.record.get("resources", {}))
        made = PROVISIONER.open(known, wanted | answers)
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

    def failing(self, work: Callable[[], object], at: int, kind: Kind) -> bool:
        """Do it while the call of this number goes wrong, as often as the SDK repeats it, then once more. False:
        there were not so many calls."""
        calls = len(self.cloud.journal.calls())
        order = self.cloud.mischief.order("*", kind, after=at, times=1 if kind == "lose_answer" else 9)
        with suppress(ProvisionError):
            work()
        self.cloud.mischief.behave()
        close_connections()
        if len(self.cloud.journal.calls()) - calls <= at or order.after:
            return False
        work()
        return True

    def _note(self, record: Record) -> None:
        self.record = record
