"""What the façade hands out of Azure's answers: plain values, with the SDK's optional fields dealt with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

CONTAINER = "run"
"""The name of the container that the run is in; a group may have others beside it."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that Azure noted of a group or container while it was bringing it up."""

    name: str
    message: str
    count: int = 1
    kind: str = "Warning"
    """Or Normal."""


@dataclass(frozen=True, slots=True)
class Container:
    state: str
    """Waiting, Running or Terminated."""
    exit_code: int | None = None
    detail: str = ""
    """Completed, Error, OOMKilled, CrashLoopBackOff…"""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A container group, as Azure tells of it."""

    id: str
    name: str
    tags: Mapping[str, str]
    provisioning: str
    """Pending, Creating, Succeeded, Failed, Unhealthy, Repairing…: of the last operation on it."""
    state: str | None = None
    """Pending, Running, Succeeded, Failed or Stopped; None where the answer had no instance view, as lists have not."""
    container: Container | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    name: str
    used: int
    limit: int


def to_group(found: Any) -> Group:
    """From the SDK's ContainerGroup."""
    view = found.instance_view
    ours = next((each for each in found.containers or [] if each.name == CONTAINER), None)
    inner = ours.instance_view if ours else None
    events = [*((view and view.events) or []), *((inner and inner.events) or [])]
    return Group(
        id=found.id or "",
        name=found.name or "",
        tags=found.tags or {},
        provisioning=found.provisioning_state or "",
        state=(view and view.state) or None,
        container=_to_container(inner) if inner else None,
        events=tuple(map(_to_event, events)),
    )


def to_usage(found: Any) -> Usage:
    return Usage(str(found.name.value if found.name else ""), found.current_value or 0, found.limit or 0)


def _to_container(view: Any) -> Container | None:
    now = view.current_state
    if now is None:
        return None
    return Container(
        state=now.state or "",
        exit_code=now.exit_code,
        detail=now.detail_status or "",
        started_at=_aware(now.start_time),
        ended_at=_aware(now.finish_time),
        restarts=view.restart_count or 0,
    )


def _to_event(found: Any) -> Event:
    return Event(found.name or "", found.message or "", found.count or 1, found.type or "Warning")


def _aware(at: datetime | None) -> datetime | None:
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
