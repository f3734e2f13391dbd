"""/flow_runs/{id}/logs/download: a run's logs as one file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi.responses import StreamingResponse

from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.routing import Router
from skylift.models.api_keys import Role
from skylift.parts import Parts
from skylift.store import logs, runs

COLUMNS = ("timestamp", "level", "flow_run_id", "task_run_id", "message")
LINES = 500

router = Router(prefix="/flow_runs", tags=["Flow runs"])


@router.get("/{flow_run_id}/logs/download", dependencies=[scopes.own("flow_run_id", role=Role.VIEWER)])
def download_logs(parts: PartsDep, flow_run_id: UUID) -> StreamingResponse:
    """All lines of the run as CSV, the oldest first."""
    with parts.store.reading() as tx:
        name = quote(f"{runs.by_id(tx, flow_run_id).name}-logs.csv", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return StreamingResponse(_csv(parts, flow_run_id), media_type="text/csv", headers=headers)


def _csv(parts: Parts, flow_run_id: UUID) -> Iterator[str]:
    yield _rows([COLUMNS])
    with parts.store.reading(together=True) as tx:
        found = logs.lines(tx, logs.read_wanted({"logs": {"flow_run_id": {"any_": [str(flow_run_id)]}}}))
        while chunk := list(islice(found, LINES)):
            yield _rows([[getattr(line, column) for column in COLUMNS] for line in chunk])


def _rows(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
