"""How fast tasks may be launched, and whose quota that is."""

from __future__ import annotations

import threading
import time

from skylift.provider import ProviderError, Quota
from skylift_ecs.client import EcsClient
from skylift_ecs.request import Configuration

FARGATE = (20.0, 5)
"""Fargate takes 20 RunTask calls a second, burst and sustained, and launches 100 tasks at once, then 20 a second
(ECS developer guide, "AWS Fargate throttling quotas"; per account and region; Spot has launches of its own). The burst
here is smaller than Amazon's: calls that leave a little late meet those that come after them, and the rest is the room
that this takes."""
MACHINES = (30.0, 50)
"""RunTask and StopTask share 40 calls a second and a burst of 100 (ECS API reference, "Request throttling"); some are
left for stopping."""
ASK_AGAIN = 60.0
"""Seconds after which an account that could not be asked about is asked about again."""


class Accounts:
    """Whose credentials are whose, as this process was told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._asked: dict[str, float] = {}

    def of(self, client: EcsClient) -> str | None:
        """The account's number; None where it could not be had. Never raises."""
        with self._lock:
            if client.key in self._known:
                return self._known[client.key]
            if time.monotonic() - self._asked.get(client.key, -ASK_AGAIN) < ASK_AGAIN:
                return None
            self._asked[client.key] = time.monotonic()
        try:
            account = client.identity()["Account"]
        except ProviderError:
            return None
        with self._lock:
            self._known[client.key] = account
        return account


def of(configuration: Configuration, client: EcsClient, accounts: Accounts) -> Quota:
    """Where it is not known whose account it is, pools with the same credentials share a bucket."""
    who = accounts.of(client) or client.key[:16]
    kind = configuration.launch_type.lower()
    rate, burst = FARGATE if configuration.on_fargate else MACHINES
    return Quota(rate, burst, f"ecs/{who}/{client.region}/{'fargate' if configuration.on_fargate else kind}")
