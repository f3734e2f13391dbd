"""The last hook before a request that starts a sandbox leaves, inside the SDK's own machinery.

Why it is there: the SDK sends such a request up to four times by itself and, for a sandbox with a GPU, then waits for
up to 21 minutes for a machine. Here the lease is looked at right before each sending, nothing that starts something is
sent twice, a refusal is heard at once, and the wait is cut short: what became of a sandbox is for `status` to say.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from skylift.extras import sdk

STARTS = frozenset(["SandboxCreateRequest", "SandboxCreateV2Request"])
WAITS = "SandboxGetTaskIdRequest"


@dataclass
class Departure:
    """One launch, as far as it has got."""

    ensure_in_time: Callable[[], None]
    building: bool = False
    """Whether the image is being waited for."""
    sent: bool = False
    sandbox_id: str | None = None


class Answered(Exception):  # noqa: N818 - an answer, though not the one that was wished for
    """Modal answered the request with a status other than OK."""

    def __init__(self, status: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


class NotAgain(Exception):  # noqa: N818
    """The connection broke after the request was sent, and it must not be sent a second time."""


LAUNCH: ContextVar[Departure | None] = ContextVar("launch", default=None)
_CALL: ContextVar[Departure | None] = ContextVar("call", default=None)
"""Set only in the task of the one call that starts the sandbox: others of the same launch go on as they like."""
_guarded: WeakSet[Any] = WeakSet()


def guard(channel: Any) -> None:
    """Look at what goes over this channel (`grpclib.client.Channel`) from now on."""
    if channel in _guarded:
        return
    events = sdk("grpclib.events", extra="modal")
    events.listen(channel, events.SendMessage, _sending)
    events.listen(channel, events.RecvMessage, _received)
    events.listen(channel, events.RecvTrailingMetadata, _over)
    _guarded.add(channel)


async def _sending(event: Any) -> None:
    launch = LAUNCH.get()
    kind = event.message.DESCRIPTOR.name
    if not launch:
        return
    if kind == WAITS and launch.sandbox_id:
        # Of all answers this is the one after which the SDK does not terminate the sandbox that it made.
        grpclib = sdk("grpclib", extra="modal")
        raise grpclib.GRPCError(grpclib.Status.FAILED_PRECONDITION, "Nobody waits for its machine here")
    if kind in STARTS:
        if launch.sent:
            raise NotAgain
        launch.ensure_in_time()
        launch.sent = True
        _CALL.set(launch)


async def _received(event: Any) -> None:
    launch = _CALL.get()
    if launch:
        launch.sandbox_id = event.message.sandbox_id


async def _over(event: Any) -> None:
    if _CALL.get() and event.status.value:
        seconds = [each.retry_after_secs for each in event.status_details or [] if hasattr(each, "retry_after_secs")]
        raise Answered(event.status.name, event.status_message or "", seconds[0] if seconds else None)
