"""Defects to plant in a process of the harness, never in the product: each takes away what a rule rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import select, update

from skylift import claim, launching
from skylift.launching import Answer, Ready
from skylift.provider import Launch
from skylift.store.tables import work_pools
from skylift_process.adapter import ProcessProvider


def claim_without_lock() -> None:
    """The pool is read and not updated first: two claimers no longer wait for each other."""

    class Reading:
        def where(self, condition: Any) -> Reading:
            self.condition = condition
            return self

        def values(self, **values: Any) -> Any:
            is_lock = "claims" in values
            return self if is_lock else update(work_pools).where(self.condition).values(**values)

        def returning(self, *_: Any) -> Any:
            return select(work_pools).where(self.condition)

    vars(claim)["update"] = lambda table: Reading() if table is work_pools else update(table)


def launch_without_token() -> None:
    """Each call of a launch is another one to the provider."""
    provider: Any = ProcessProvider
    launch = provider.launch

    def anew(self: ProcessProvider, wanted: Launch) -> Any:
        return launch(self, replace(wanted, attempt_id=uuid4()))

    provider.launch = anew


def missing_lease() -> None:
    """Who was asleep for longer than its lease goes on as if nobody had taken over."""
    call = launching.call

    def late(ready: Ready) -> Answer:
        return call(replace(ready, launch=replace(ready.launch, send_before=float("inf"))))

    launching.call = late


BUGS: dict[str, Callable[[], None]] = {
    "claim without lock": claim_without_lock,
    "launch without token": launch_without_token,
    "missing lease": missing_lease,
}


def plant(bug: str) -> None:
    BUGS[bug]()
