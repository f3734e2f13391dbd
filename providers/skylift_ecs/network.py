"""The subnets of pools that name none: asked for once in a while, never for each run."""

from __future__ import annotations

import threading
import time

from skylift.provider import Rejected
from skylift_ecs.client import EcsClient

BELIEVED_FOR = 3600.0


class Subnets:
    """Of VPCs, as this process was told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str | None], tuple[float, list[str]]] = {}

    def of(self, client: EcsClient, vpc_id: str | None) -> list[str]:
        """Of the VPC, or of the account's default one. Raises `Rejected` where it has none."""
        with self._lock:  # whoever comes meanwhile waits for the one answer
            until, found = self._known.get((client.key, vpc_id), (0.0, []))
            if until < time.monotonic():
                found = client.subnets(vpc_id)
                self._known[client.key, vpc_id] = time.monotonic() + BELIEVED_FOR, found
        if found:
            return found
        where = "The VPC that 'vpc_id' names" if vpc_id else "The account's default VPC"
        with self._lock:
            self._known.pop((client.key, vpc_id), None)
        raise Rejected(f"{where} has no subnets here", remedy="Set 'subnets' to those that runs are to be in")
