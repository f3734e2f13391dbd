"""Service times: what the parts of a dispatch cost, as they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import linear_regression, mean
from typing import Any


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for a batch: a fixed part, and one for each run in it."""

    fixed: float
    each: float

    def of(self, size: int) -> float:
        return self.fixed + self.each * size

    def times(self, factor: float) -> Cost:
        return Cost(self.fixed * factor, self.each * factor)

    @classmethod
    def fitted(cls, samples: Sequence[tuple[int, float]]) -> Cost:
        """Through batches of known sizes; neither part is negative."""
        sizes, seconds = zip(*samples, strict=True)
        if len(set(sizes)) > 1:
            line = linear_regression(sizes, seconds)
            if line.intercept >= 0 and line.slope >= 0:
                return cls(line.intercept, line.slope)
        return cls(0.0, mean(seconds) / mean(sizes))


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of a dispatch for a batch of runs."""

    own: Cost
    """CPU of the dispatcher."""
    database: Cost
    """CPU of the database."""
    wait: Cost = Cost(0.0, 0.0)
    """In which neither computes: the way there, and the disk."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of all steps."""

    claim: Phase
    freeze: Phase
    record: Phase
    launch: float
    """CPU of the dispatcher for one call of the provider, beside what the provider takes."""

    def per_run(self, batch: int) -> tuple[float, float]:
        """CPU of the dispatcher and of the database for one run, claimed and recorded in batches of this size."""
        phases = (self.claim, self.freeze, self.record)
        own = sum(phase.own.of(batch) for phase in phases) / batch + self.launch
        return own, sum(phase.database.of(batch) for phase in phases) / batch

    def shown(self) -> list[tuple[object, ...]]:
        """Rows of a table, in milliseconds."""
        rows: list[tuple[object, ...]] = []
        for name, phase in asdict(self).items():
            if name == "launch":
                rows.append((name, 0.0, self.launch * 1000, *[0.0] * 4))
            else:
                rows.append((name, *(part for cost in phase.values() for part in _milliseconds(cost))))
        return rows


def _milliseconds(cost: dict[str, Any]) -> tuple[float, float]:
    return cost["fixed"] * 1000, cost["each"] * 1000
