"""Freezing: the launch request of a claimed attempt is rendered and sealed on it before the first call, so that a
launch by somebody else, later, is the same to the byte.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, update
from sqlalchemy.exc import SQLAlchemyError

from skylift import faults, rendering
from skylift.ids import new_token, token_hash
from skylift.launching import Ready, Report, reject
from skylift.parts import Parts
from skylift.provider import Launch, Quota, Rejected
from skylift.rendering import Frozen
from skylift.store import Tx, attempts, timeline
from skylift.store.tables import attempts as attempts_table

log = logging.getLogger(__name__)


def freeze_all(
    parts: Parts, attempt_ids: list[UUID], owner: UUID, report: Report, quota: Quota | None = None
) -> list[Ready]:
    """Freeze these; those that cannot be rendered are refused, and those that are not wanted any more left out."""
    if not attempt_ids:
        return []
    rendered: dict[UUID, tuple[Frozen, str]] = {}
    with parts.store.reading() as tx:
        found = attempts.by_ids(tx, attempt_ids)
        origins = rendering.read_origins(tx, [row.flow_run_id for row in found])
        rows = [row for row in found if row.flow_run_id in origins]
        refused: list[tuple[UUID, Rejected]] = []
        for row in rows:
            nonce = new_token()
            try:
                rendered[row.id] = rendering.freeze(parts, tx, origins[row.flow_run_id], row.id, nonce), nonce
            except Rejected as error:
                refused.append((row.id, error))
            except SQLAlchemyError:
                raise
            except Exception as error:  # nothing that one run is made of may hold up the others of its batch
                log.error("Attempt %s could not be rendered: %s", row.id, faults.told(error))
                refused.append((row.id, _unrendered(error)))
    for attempt_id, refusal in refused:
        parts.store.transaction(reject, attempt_id, owner, refusal)
        report.add("rejected")
    sealed = {each: parts.sealer.seal(rendering.as_json(frozen)) for each, (frozen, _) in rendered.items()}
    longest_call = {row.id: parts.providers.get(row.provider_type).call_timeout for row in rows}
    began = time.monotonic()  # before the transaction: were it held up in there, the lease would seem to be longer
    lease_left = parts.store.transaction(_freeze, owner, rendered, sealed, longest_call)
    bucket = quota.key if quota else None
    return [
        replace(
            ready_for(parts, row, rendered[row.id][0], owner, 1, began + lease_left[row.id]),
            bucket=bucket,
            lease=lease_left[row.id],
        )
        for row in rows
        if row.id in lease_left
    ]


def _unrendered(error: Exception) -> Rejected:
    return Rejected(
        f"The launch could not be composed ({type(error).__name__})",
        remedy="See that the job configuration has the right types; the service's log says where it failed",
    )


def ready_for(parts: Parts, row: Row[Any], frozen: Frozen, owner: UUID, calls: int, until: float) -> Ready:
    """The attempt with what was frozen on it; nothing may be sent after `until` (`time.monotonic()`)."""
    launch = Launch(
        attempt_id=row.id,
        flow_run_id=row.flow_run_id,
        installation_id=parts.store.installation_id,
        claimed_at=row.claimed_at,
        configuration=frozen.configuration,
        send_before=until,
        secrets=frozenset(frozen.secrets),
    )
    nonce = frozen.configuration["env"].get("SKYLIFT_NONCE")
    secrets = (*frozen.secrets, nonce) if nonce else tuple(frozen.secrets)
    return Ready(launch, parts.providers.get(row.provider_type), owner, calls, secrets)


def _freeze(
    tx: Tx,
    owner: UUID,
    rendered: dict[UUID, tuple[Frozen, str]],
    sealed: dict[UUID, str],
    longest_call: dict[UUID, float],
) -> dict[UUID, float]:
    """Seal the requests on those attempts that are still ours and wanted; says what is left of each lease (s)."""
    ours = tx.conn.execute(
        update(attempts_table)
        .where(
            attempts_table.c.id.in_(sorted(rendered)),
            attempts_table.c.lease_owner == owner,
            attempts_table.c.phase == attempts.CLAIMED,
            attempts_table.c.stop.is_(None),
        )
        .values(phase=attempts.LAUNCHING, launch_calls=1)
        .returning(attempts_table.c.id, attempts_table.c.flow_run_id, attempts_table.c.lease_until)
    ).all()
    requests, lines = [], []
    for row in sorted(ours, key=lambda each: each.id):
        frozen, nonce = rendered[row.id]
        requests.append(
            {
                "attempt": row.id,
                "request": sealed[row.id],
                "nonce_hash": token_hash(nonce),
                "reports": frozen.terms is not None,
                "look_at": row.lease_until + timedelta(seconds=longest_call[row.id]),
            }
        )
        lines.append(timeline.entry(tx, row.flow_run_id, "rendered", "The launch request is frozen", attempt_id=row.id))
    attempts.change_many(tx, requests)
    timeline.add(tx, lines)
    return {row.id: (row.lease_until - tx.now).total_seconds() for row in ours}
