"""How many runs of each state there were in each interval of a stretch of time."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from skylift.api.deps import Filtering
from skylift.models.base import Instant
from skylift.models.runs import HistoryInterval
from skylift.store import Tx, run_times


class History(Filtering):
    """The stretch of time, and filters as everywhere."""

    history_start: Instant
    history_end: Instant
    history_interval_seconds: float

    def read(self, tx: Tx, kind: run_times.Kind) -> list[HistoryInterval]:
        """The answer."""
        start, end, seconds = self.history_start, self.history_end, self.history_interval_seconds
        return run_times.history(tx, kind, self.filters, start, end, seconds)


async def _history(request: Request, body: History) -> History:
    return body.narrowed(request)


HistoryBody = Annotated[History, Depends(_history)]
