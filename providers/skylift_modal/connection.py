"""Connections to Modal, one for each token and server, kept for the life of the process.

The SDK works in an event loop of its own, in a daemon thread; whoever calls from any thread waits here, and never
longer than it says.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from skylift.extras import sdk
from skylift.provider import Unreachable
from skylift_modal.departure import guard
from skylift_modal.errors import to_error
from skylift_modal.request import Credentials, ImagePlan

T = TypeVar("T")
CONNECT_TIMEOUT = 15.0
Work = Callable[[Any], Awaitable[T]]
"""Given the SDK's own client object, in the SDK's event loop."""


@dataclass
class Connection:
    """One token's connection, and what was already found out over it. Answers are remembered, never states."""

    client: Any
    """`modal.Client`."""
    apps: dict[tuple[str, str], Any] = field(default_factory=dict)
    images: dict[tuple[str, ImagePlan], Any] = field(default_factory=dict)
    workspace: str | None = None
    launching: WeakValueDictionary[UUID, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """Launches of one attempt in this process come one after the other."""

    def run(self, work: Work[T], timeout: float) -> T:
        """Raises the port's errors only."""
        return _run(work, timeout, self.client)

    def forget(self) -> None:
        """Apps and images, because Modal no longer knows one of them."""
        self.apps.clear()
        self.images.clear()


Key = tuple[str, str, str]
_connections: dict[Key, Connection] = {}
_locks: dict[Key, threading.Lock] = {}
_lock = threading.Lock()


def connection(credentials: Credentials | None) -> Connection:
    """None: the token that the SDK is configured with, by MODAL_TOKEN_ID and MODAL_TOKEN_SECRET or its own file."""
    config = sdk("modal.config", extra="modal").config
    pair = (credentials.token_id, credentials.token_secret) if credentials else (None, None)
    token_id, token_secret = pair if credentials else (config.get("token_id"), config.get("token_secret"))
    if not token_id or not token_secret:
        raise Unreachable(
            "There is no Modal token.",
            remedy="Make a block of type modal-credentials and let the variable 'modal_credentials' refer to it, or "
            "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET for the service",
        )
    key = (config.get("server_url"), token_id, token_secret)
    with _lock:
        alone = _locks.setdefault(key, threading.Lock())
    with alone:  # only those of the same token wait for its connection
        if key not in _connections:
            _connections[key] = Connection(_run(lambda _: _open(token_id, token_secret), CONNECT_TIMEOUT, None))
    return _connections[key]


def close_connections() -> None:
    """Of the whole process. What is asked for later is connected anew."""
    with _lock:
        closing = list(_connections.values())
        _connections.clear()
    for each in closing:
        each.client.close()


async def _open(token_id: str, token_secret: str) -> Any:
    return await sdk("modal", extra="modal").Client.from_credentials.aio(token_id, token_secret)


def _run(work: Work[T], timeout: float, client: Any) -> T:
    synchronizer = sdk("modal._utils.async_utils", extra="modal").synchronizer

    async def guarded(own: Any) -> T:
        if own is not None:
            guard(await own._get_channel(own.server_url))
        return await work(own)

    async def bounded(own: Any) -> T:
        return await asyncio.wait_for(guarded(own), timeout)

    try:
        # The synchronizer hands in the client that is behind the public one.
        answer: T = synchronizer.create_blocking(bounded)(client)
    except Exception as error:
        raise to_error(error) from error
    return answer
