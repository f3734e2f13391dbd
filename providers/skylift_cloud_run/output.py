"""What containers printed, as Cloud Logging keeps it.

Reading logs is scarce: 60 requests a minute and project (cloud.google.com/logging/quotas). Output that may wait does.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from skylift.provider import Throttled, Unreachable, Watched
from skylift_cloud_run.client import Client
from skylift_cloud_run.status import Observer
from skylift_cloud_run.views import Execution, job_of, short

READS, WINDOW = 55, 60.0
PAGE = 1000
LONG_AGO = timedelta(days=30)
"""How long logs are kept, where nobody has said otherwise."""
STREAMS = 'log_id("run.googleapis.com/stdout") OR log_id("run.googleapis.com/stderr")'
SYSTEM = 'log_id("run.googleapis.com/varlog/system")'
PRINTED = ("stdout", "stderr")
LAST_WORD = "Container called exit("
"""How Cloud Run's own log ends an execution's: all that it printed is there by then."""
Entry = tuple[datetime, str, str, Any]


class Reads:
    """How often logs were read in the last minute, by project."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[str, deque[float]] = {}

    def take(self, project: str) -> bool:
        """Whether there is one left; it is spent then."""
        with self._lock:
            at, now = self._at.setdefault(project, deque()), time.monotonic()
            while at and at[0] < now - WINDOW:
                at.popleft()
            if len(at) >= READS:
                return False
            at.append(now)
            return True


reads = Reads()


def last_lines(observer: Observer, watched: Watched, last: int) -> list[str]:
    """The last lines, Cloud Run's own complaints included."""
    client, target, executions = observer.executions(watched)
    names = [each.name for each in executions] or ([watched.handle] if watched.handle else [])
    if not names:
        return []
    if not reads.take(target.place.project):
        raise Throttled("Logs were read too often in the last minute", retry_after=WINDOW)
    begun = min((each.created_at for each in executions if each.created_at), default=datetime.now(UTC) - LONG_AGO)
    wanted = f"{_of(names)} AND ({STREAMS} OR ({SYSTEM} AND severity>=ERROR)) AND timestamp>={_quoted(begun)}"
    found = client.read_log(target.place.project, wanted, last, newest_first=True)
    return [line for entry in reversed(found) for line in _lines(entry)][-last:]


def since(observer: Observer, watched: Watched, offset: int, settle: float) -> tuple[list[tuple[datetime, str]], int]:
    """What was printed from `offset` milliseconds after the execution's creation on, and the offset to go on from.

    Raises `Unreachable` for one that is over and whose last lines may still be on their way.
    """
    client, target, executions = observer.executions(watched)
    if not executions or not executions[0].created_at:
        return [], offset
    execution, begun, now = executions[0], executions[0].created_at, datetime.now(UTC)
    if not reads.take(target.place.project):
        if execution.is_over:
            raise Throttled("Logs were read too often in the last minute", retry_after=WINDOW)
        return [], offset
    found, is_cut = _read(client, target.place.project, execution, begun, offset)
    is_complete = execution.is_over and (_is_closed(found) or not _may_yet_come(execution, now, settle))
    youngest = now if is_complete else now - timedelta(seconds=settle)
    # Lines come in an order of their own, so until all are there the youngest have to wait.
    printed = [each for each in found if each[1].endswith(PRINTED) and (is_complete or each[0] < youngest)]
    if is_cut:  # the rest of the last millisecond comes with the next page
        last = _moment(found[-1], begun)
        printed = [each for each in printed if _moment(each, begun) < last]
    printed = [each for each in printed if _moment(each, begun) >= offset]
    if printed:
        return [(each[0], line) for each in printed for line in _lines(each)], _moment(printed[-1], begun) + 1
    if execution.is_over and not is_complete:
        raise Unreachable("The last lines of its output may still be on their way", remedy="They are asked for again")
    return [], offset


def _read(client: Client, project: str, execution: Execution, begun: datetime, offset: int) -> tuple[list[Entry], bool]:
    """A page of entries from the last millisecond that is known on, and whether it was cut off; one that is cut off
    has at least one new line before its last millisecond, so that whoever reads on gets on."""
    most = PAGE
    since = begun + timedelta(milliseconds=max(0, offset - 1))
    wanted = f"{_of([execution.name])} AND ({STREAMS} OR {SYSTEM}) AND timestamp>={_quoted(since)}"
    while True:
        found = client.read_log(project, wanted, most, newest_first=False)
        is_cut = len(found) == most
        if not is_cut:
            return found, False
        last = _moment(found[-1], begun)
        if any(offset <= _moment(each, begun) < last for each in found if each[1].endswith(PRINTED)):
            return found, True
        most *= 10


def _is_closed(found: Sequence[Entry]) -> bool:
    return any(not each[1].endswith(PRINTED) and str(each[3]).startswith(LAST_WORD) for each in found)


def _may_yet_come(execution: Execution, now: datetime, settle: float) -> bool:
    ended = execution.completed_at
    return bool(ended and (now - ended).total_seconds() < settle)


def _moment(entry: Entry, begun: datetime) -> int:
    return (entry[0] - begun) // timedelta(milliseconds=1)


def _of(names: Sequence[str]) -> str:
    """A filter for the logs of these executions of one job."""
    labels = " OR ".join(f'labels."run.googleapis.com/execution_name"="{short(name)}"' for name in names)
    job = short(job_of(names[0]))
    return f'resource.type="cloud_run_job" AND resource.labels.job_name="{job}" AND ({labels})'


def _quoted(at: datetime) -> str:
    return f'"{at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}"'


def _lines(entry: Entry) -> list[str]:
    payload = entry[3]
    if isinstance(payload, str):
        return payload.splitlines() or [""]
    if isinstance(payload, dict):
        return str(payload.get("message") or json.dumps(payload)).splitlines()
    return [] if payload is None else [str(payload)]
