"""What is on record once a storm is over, in one folder: the checker reads nothing else.

`store.json` holds the store's own history, `evidence` what the runs' code wrote, `witness.json` what the clouds have
and what was taken away on purpose, `asked.json` what users did, `said` whatever anybody wrote that others may read.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Table, text

from skylift.store import Store, Tx
from skylift.store.tables import (
    attempts,
    deployments,
    due,
    ended_attempts,
    flow_run_states,
    flow_run_timeline,
    flow_runs,
    log_batches,
    schedule_slots,
    webhook_deliveries,
    work_pools,
    work_queues,
)

TABLES = (
    *(attempts, deployments, due, ended_attempts, flow_run_states, flow_run_timeline, flow_runs),
    *(schedule_slots, webhook_deliveries, work_pools, work_queues),
)
APPENDED = {flow_run_states: "timestamp", flow_run_timeline: "at"}
"""Rows that are never changed, so that PostgreSQL knows when each was committed; and their own instants."""
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class History:
    """All of it, in memory. Instants are aware datetimes."""

    store: Mapping[str, Rows]
    """By table. Rows of `APPENDED` have `committed`, their own instant where the database cannot tell: SQLite's
    writers come one by one, and theirs are in the same order."""
    evidence: list[list[str]]
    """Lines of words, in the order in which they were written: `start` or `stop`, the run, the process."""
    witness: Mapping[str, Any]
    """`left`: what is left in each cloud and on this machine. `lost`: attempts whose machine was taken away."""
    asked: Mapping[str, Any]
    """`slots`: those of schedules that had to come; `acts`, and whether each had its answer; `cancelled`: names of runs
    that somebody cancelled; `thefts`: what was tried with others' tokens; `until`: slots after that are no matter."""
    secrets: list[str]
    said: Mapping[str, str]
    """By who said it."""


def record(
    store: Store,
    folder: Path,
    *,
    asked: Mapping[str, Any],
    witness: Mapping[str, Any],
    secrets: Sequence[str] = (),
    said: Mapping[str, str] | None = None,
) -> None:
    """Write it all down, but for the evidence, which wrote itself."""
    with store.reading(together=True) as tx:
        tables = {table.name: _rows(tx, table) for table in TABLES}
        logs = "\n".join(zlib.decompress(row.body).decode() for row in tx.all(log_batches.select()))
    written = {"store": tables, "asked": asked, "witness": witness, "secrets": secrets}
    for name, value in written.items():
        (folder / f"{name}.json").write_text(json.dumps(value, default=str))
    (folder / "said").mkdir()
    heard = {**(said or {}), "logs of runs": logs, "database": json.dumps(tables, default=str)}
    for who, what in heard.items():
        (folder / "said" / who).write_text(what)


def _rows(tx: Tx, table: Table) -> Rows:
    rows = [dict(row._mapping) for row in tx.all(table.select())]
    if table not in APPENDED:
        return rows
    committed = _committed(tx, table)
    return [{**row, "committed": committed.get(row["id"], row[APPENDED[table]])} for row in rows]


def _committed(tx: Tx, table: Table) -> dict[UUID, datetime]:
    """When each row was, where the database can tell."""
    if tx.conn.dialect.name == "sqlite" or tx.conn.execute(text("SHOW track_commit_timestamp")).scalar() != "on":
        return {}
    found = tx.conn.execute(text(f"SELECT id, pg_xact_commit_timestamp(xmin) FROM {table.name}"))
    return {row[0]: row[1] for row in found}


def read(folder: Path) -> History:
    evidence = folder / "evidence"
    return History(
        store=json.loads((folder / "store.json").read_text(), object_hook=_with_instants),
        evidence=[line.split() for line in evidence.read_text().splitlines()] if evidence.exists() else [],
        witness=json.loads((folder / "witness.json").read_text()),
        asked=json.loads((folder / "asked.json").read_text(), object_hook=_with_instants),
        secrets=json.loads((folder / "secrets.json").read_text()),
        said={path.name: path.read_text(errors="replace") for path in sorted((folder / "said").iterdir())},
    )


INSTANTS = {
    *("at", "committed", "timestamp", "claimed_at", "ended_at", "due_at", "cleanup_at", "slot", "expected_start_time"),
    *("scheduled_time", "until", "created"),
}


def _with_instants(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name in INSTANTS and isinstance(value, str) else value
        for name, value in row.items()
    }
