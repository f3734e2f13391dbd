"""What Event Grid tells of container groups: that one was written, stopped or deleted. Never that a container ended.

Both of Event Grid's schemas are understood, its own and CloudEvents, and both sources: the system topic of a resource
group or subscription (Microsoft.Resources.ResourceWriteSuccess, …ActionSuccess, …DeleteSuccess) and the topic of
resource notifications (Microsoft.ResourceNotifications.Resources.CreatedOrUpdated, …Deleted).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from skylift.provider import Heard, Observation
from skylift_container_instance.place import TYPE, attempt_of
from skylift_container_instance.request import ATTEMPT


def read_event(event: Mapping[str, Any]) -> Sequence[Heard]:
    """See `skylift.provider.ReadsEvents`."""
    kind = str(event.get("eventType") or event.get("type") or "")
    data = event.get("data")
    if not kind.startswith("Microsoft.Resource") or not isinstance(data, Mapping):
        return []
    info = data.get("resourceInfo")
    info = info if isinstance(info, Mapping) else {}
    resource = str(info.get("id") or data.get("resourceUri") or event.get("subject") or "")
    head, found, name = resource.partition(f"/providers/{TYPE}/")
    if not found:
        return []
    attempt = _tagged(info.get("tags")) or attempt_of(name.split("/")[0])
    handle = head + found + name.split("/")[0]
    operation = str(data.get("operationName") or "").lower()
    return [Heard(attempt, _observation(kind, operation, handle))] if attempt else []


def _observation(kind: str, operation: str, handle: str) -> Observation:
    if kind.endswith(("ResourceDeleteSuccess", "Resources.Deleted")):
        return Observation("gone", handle, reason="Its container group was deleted")
    if operation.endswith("/stop/action"):
        return Observation("ended", handle, reason="Its container group was stopped")
    return Observation("starting", handle)


def _tagged(tags: Any) -> UUID | None:
    try:
        return UUID(str(tags[ATTEMPT])) if isinstance(tags, Mapping) and ATTEMPT in tags else None
    except ValueError:
        return None
