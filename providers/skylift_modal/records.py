"""Reading what Modal knows of sandboxes.

The SDK lists running sandboxes only, and of an ended one it tells the exit code but not why and when it ended (a
sandbox that never began would pass for exit code 0). So these calls are made with the messages of Modal's protocol
themselves, over the SDK's connection. All of them run in the SDK's event loop, with its own client object.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from skylift.extras import sdk
from skylift_modal.request import ATTEMPT, MARK, attempt_of, sandbox_name

V1 = re.compile(r"sb-[0-9A-Za-z]{22}")
"""Ids of the older kind of sandbox, which those with a GPU still are; they have RPCs of their own."""
SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True)
class Record:
    """One sandbox."""

    id: str
    app_id: str
    attempt_id: UUID | None
    status: str
    """The name of its result's status without GENERIC_STATUS_; empty while it is not over."""
    exit_code: int = 0
    words: str = ""
    created_at: float = 0.0
    """Seconds since the epoch, as the others; 0 where that is not told."""
    started_at: float = 0.0
    finished_at: float = 0.0
    placed: bool = True
    """Whether a machine was found for it, as far as that is told."""
    cleaned: bool = False

    @property
    def ended(self) -> bool:
        return bool(self.status)

    @property
    def handle(self) -> str:
        return f"{self.app_id}/{self.id}"


async def of_attempt(
    client: Any, app_id: str | None, app_name: str, environment: str, attempt_id: UUID
) -> list[Record]:
    """All sandboxes of an attempt, the oldest first; one that was cleaned up says so.

    By its tag and, where that finds none, by its name: a list may be behind, and tags go when it is cleaned up.
    """
    listed = await _page(client, app_id, {ATTEMPT: str(attempt_id)}, 0.0) if app_id else []
    if listed:
        return sorted(listed, key=lambda each: each.created_at)
    named = await _named(client, app_name, environment, sandbox_name(attempt_id))
    return [await _looked_up(client, named, attempt_id)] if named else []


async def every(client: Any, app_id: str, tags: Mapping[str, str], *, since: float = 0.0) -> list[Record]:
    """Those of an App that carry these tags, running or ended, made after `since` (seconds since the epoch)."""
    found: list[Record] = []
    before = 0.0
    while page := await _page(client, app_id, tags, before):
        found += [each for each in page if each.created_at >= since]
        before = page[-1].created_at
        if before < since:
            break
    return found


async def terminate(client: Any, sandbox_id: str) -> None:
    """Ends it by force; nothing where it is over already, or not there."""
    request = _protocol().SandboxTerminateRequest(sandbox_id=sandbox_id)
    try:
        await _call(client, "SandboxTerminate", request, sandbox_id)
    except sdk("modal.exception", extra="modal").NotFoundError:
        pass


async def retag(client: Any, sandbox_id: str, environment: str, tags: Mapping[str, str]) -> None:
    """Replaces all its tags. An ended sandbox whose tags can no longer be changed keeps them."""
    exception = sdk("modal.exception", extra="modal")
    request = _protocol().SandboxTagsSetRequest(sandbox_id=sandbox_id, tags=_tags(tags))
    if V1.fullmatch(sandbox_id):
        request.environment_name = environment
    try:
        await _call(client, "SandboxTagsSet", request, sandbox_id)
    except (exception.NotFoundError, exception.ConflictError):
        pass


async def at_most(work: Iterable[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """All of it, a few at a time; what fails is returned, not raised."""
    gate = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(each: Callable[[], Awaitable[Any]]) -> Any:
        async with gate:
            return await each()

    return await asyncio.gather(*(one(each) for each in work), return_exceptions=True)


async def _page(client: Any, app_id: str, tags: Mapping[str, str], before: float) -> list[Record]:
    """The newest first, of those made before this instant (0: any)."""
    request = _protocol().SandboxListRequest(
        app_id=app_id, before_timestamp=before, include_finished=True, tags=_tags(tags)
    )
    return [_from_info(info, app_id) for info in (await _call(client, "SandboxList", request)).sandboxes]


async def _named(client: Any, app_name: str, environment: str, name: str) -> str | None:
    """The id of the running sandbox of this name, or else of the last one that was."""
    request = _protocol().SandboxGetFromNameRequest(
        sandbox_name=name, app_name=app_name, environment_name=environment, include_terminated=True
    )
    absent = sdk("modal.exception", extra="modal").NotFoundError
    try:
        return str((await _call(client, "SandboxGetFromName", request)).sandbox_id)
    except absent:
        pass
    try:
        return str((await client._stub.SandboxGetFromName(request)).sandbox_id)
    except absent:
        return None


async def _looked_up(client: Any, sandbox_id: str, attempt_id: UUID) -> Record:
    protocol = _protocol()
    waited = await _call(client, "SandboxWait", protocol.SandboxWaitRequest(sandbox_id=sandbox_id), sandbox_id)
    carried = await _call(client, "SandboxTagsGet", protocol.SandboxTagsGetRequest(sandbox_id=sandbox_id), sandbox_id)
    tags = {each.tag_name: each.tag_value for each in carried.tags}
    return Record(
        sandbox_id,
        waited.metadata.app_id,
        attempt_id,
        *_result(waited.result),
        cleaned=bool(waited.result.status) and not MARK.items() <= tags.items(),
    )


def _from_info(info: Any, app_id: str) -> Record:
    task = info.task_info
    times = (info.created_at, task.started_at, task.finished_at)
    placed = bool(task.id or task.started_at)
    return Record(info.id, info.app_id or app_id, attempt_of(info.name), *_result(task.result), *times, placed=placed)


def _result(result: Any) -> tuple[str, int, str]:
    if not result.status:
        return "", 0, ""
    statuses = _protocol().GenericResult.GenericStatus
    known = {number: name for name, number in statuses.items()}
    name = known.get(result.status, f"GENERIC_STATUS_{result.status}").removeprefix("GENERIC_STATUS_")
    return name, result.exitcode, result.exception


async def _call(client: Any, name: str, request: Any, sandbox_id: str = "") -> Any:
    """The newer RPC of this name unless the sandbox is of the older kind."""
    if V1.fullmatch(sandbox_id):
        return await getattr(client._stub, name)(request)
    token = await client._auth_token_manager.get_token()
    return await getattr(client._stub, f"{name}V2")(request, metadata=[("x-modal-auth-token", token)])


def _tags(tags: Mapping[str, str]) -> list[Any]:
    return [_protocol().SandboxTag(tag_name=name, tag_value=value) for name, value in tags.items()]


def _protocol() -> Any:
    return sdk("modal_proto.api_pb2", extra="modal")
