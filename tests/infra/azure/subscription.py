"""A local Azure subscription: pools in it, and calls to it that go wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from skylift.provisioner import PoolIdentity, ProvisionError
from skylift_infra.azure import PROVISIONER
from tests.clouds.azure import SUBSCRIPTION
from tests.clouds.azure_infra import LocalSubscription
from tests.clouds.mischief import Kind
from tests.infra.pools import LocalPools

POOL = PoolIdentity("nightly", "azure-container-instance:push", UUID(int=7))
STEM = "skylift-nightly-131c8c21"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
GROUP = f"{SCOPE}/resourceGroups/{STEM}"
CHANGES = "*_[!GL]*"
"""Operations that are neither Get nor List."""
TRUSTED = "https://token.actions.githubusercontent.com|repo:me/flows:ref:refs/heads/main"


@dataclass
class Pools(LocalPools):
    provisioner = PROVISIONER
    usual = POOL
    given: ClassVar = {"subscription": SUBSCRIPTION}
    cloud: LocalSubscription

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
