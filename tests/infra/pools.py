"""What somebody does with a pool in a local cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from skylift.provisioner import Handover, Plan, PoolIdentity, Provisioner, Record
from skylift_infra.infrastructure import CloudInfrastructure

Changes = dict[str, tuple[str, tuple[str, ...]]]
"""By key: what is to be done, and why."""


@dataclass(kw_only=True)
class LocalPools:
    """A subclass adds its cloud. Records are kept as the service keeps them."""

    provisioner: ClassVar[Provisioner]
    usual: ClassVar[PoolIdentity]
    """The pool that is meant where none is named."""
    given: ClassVar[Mapping[str, Any]] = {}
    """Answers that have no default."""
    records: list[Record] = field(default_factory=list)

    @property
    def record(self) -> Record:
        """The last one; empty where nothing was made yet."""
        return self.records[-1] if self.records else {}

    def open(self, pool: PoolIdentity | None = None, **answers: Any) -> CloudInfrastructure:
        wanted = {question.name: question.default for question in self.provisioner.questions}
        known = replace(pool or self.usual, recorded=self.record.get("resources", {}))
        made = self.provisioner.open(known, {**wanted, **self.given, **answers})
        assert isinstance(made, CloudInfrastructure)
        made.sleep = lambda seconds: None
        return made

    def apply(self, pool: PoolIdentity | None = None, **answers: Any) -> Handover:
        return self.open(pool, **answers).apply(self.records.append, lambda step: None)

    def plan(self, pool: PoolIdentity | None = None, **answers: Any) -> Plan:
        return self.open(pool, **answers).plan()

    def destroy(self, pool: PoolIdentity | None = None, **answers: Any) -> None:
        self.open(pool, **answers).destroy(self.records.append, lambda step: None)

    def changes(self, pool: PoolIdentity | None = None, **answers: Any) -> Changes:
        return {step.key: (step.action, step.why) for step in self.plan(pool, **answers).changes}
