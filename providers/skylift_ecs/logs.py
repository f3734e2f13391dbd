"""A task's lines in CloudWatch Logs. One event is one line; offsets count events from the first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

from skylift_ecs.client import EcsClient
from skylift_ecs.definition import Target
from skylift_ecs.handles import Handle

MOST_PAGES = 8
"""Pages (of up to 10,000 lines) that one call reads."""
REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Stream:
    group: str
    name: str


def stream_of(target: Target | None, handle: Handle) -> Stream | None:
    """Where the task's lines are, if they go to CloudWatch."""
    place = target and target.logs
    return Stream(place.group, f"{place.stream}/{handle.task_id}") if place else None


class Reader:
    """Reads on from where this process has read to. CloudWatch knows no numbers of lines, only tokens of pages: one
    that has not read before counts from the beginning."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: OrderedDict[tuple[str, Stream, int], str] = OrderedDict()

    def last(self, client: EcsClient, stream: Stream, count: int) -> list[str]:
        """The last lines. A page may be empty although others come before it."""
        if count <= 0:
            return []
        page = client.log_events(stream.group, stream.name, startFromHead=False, limit=min(count, 10_000))
        for _ in range(3):
            if page["events"] or "nextBackwardToken" not in page:
                break
            page = client.log_events(
                stream.group, stream.name, limit=min(count, 10_000), nextToken=page["nextBackwardToken"]
            )
        return [each["message"].rstrip("\r\n") for each in page["events"]][-count:]

    def since(self, client: EcsClient, stream: Stream, offset: int) -> tuple[list[tuple[datetime, str]], int]:
        """The lines after the first `offset`, and how many there are with them."""
        token = self._tokens.get((client.key, stream, offset))
        position = offset if token else 0
        lines: list[tuple[datetime, str]] = []
        for _ in range(MOST_PAGES):
            where = {"nextToken": token} if token else {}
            page = client.log_events(stream.group, stream.name, startFromHead=True, **where)
            for event in page["events"]:
                if position >= offset:
                    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                    lines.append((at, event["message"].rstrip("\r\n")))
                position += 1
            following = page.get("nextForwardToken")
            if not following or following == token:  # the same token again means that this is the end for now
                break
            token = following
        after = max(position, offset)
        if token and position >= offset:
            self._remember(client, stream, after, token)
        return lines, after

    def _remember(self, client: EcsClient, stream: Stream, offset: int, token: str) -> None:
        with self._lock:
            self._tokens[client.key, stream, offset] = token
            while len(self._tokens) > REMEMBERED:
                self._tokens.popitem(last=False)
