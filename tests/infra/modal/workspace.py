"""A local Modal workspace: pools in it, and calls to it that go wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from skylift.provisioner import PoolIdentity, ProvisionError
from skylift_infra.modal import PROVISIONER
from skylift_modal.connection import close_connections
from tests.clouds.mischief import Kind
from tests.clouds.modal_infra import LocalWorkspace
from tests.infra.pools import LocalPools

POOL = PoolIdentity("nightly", "modal:push", UUID(int=7))
STEM = "skylift-nightly-131c8c21d155"


@dataclass
class Pools(LocalPools):
    provisioner = PROVISIONER
    usual = POOL
    cloud: LocalWorkspace

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
