"""/attempts: what runners say; and the runner itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Response

from skylift import admission
from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.api.routing import Router
from skylift.bootstrap import runner_sha256, runner_source
from skylift.errors import NotFoundError
from skylift.models.runs import Admission, Beat, Ended, Terms
from skylift.models.states import State

router = Router(tags=["Attempts"])


@router.get("/skylift/runner/{sha256}.py", dependencies=[scopes.OPEN])
def read_runner(sha256: str) -> Response:
    """The runner, by its content hash."""
    if sha256 != runner_sha256():
        raise NotFoundError("This version of the runner is not served here")
    headers = {"Cache-Control": "max-age=31536000, immutable"}
    return Response(runner_source(), media_type="text/x-python", headers=headers)


@router.post("/attempts/{attempt_id}/admit", dependencies=[scopes.OPEN])
def admit(parts: PartsDep, attempt_id: UUID, body: Admission) -> Terms:
    """A runner's first word. 409: another instance runs this attempt; 410: it was given up."""
    word = (body.instance, body.nonce, body.pool_secret)
    return parts.store.transaction(admission.admit, parts.sealer, attempt_id, *word)


@router.post(
    "/attempts/{attempt_id}/heartbeat", dependencies=[scopes.own("attempt_id", of="attempt_id", after_end=True)]
)
def heartbeat(parts: PartsDep, attempt_id: UUID, body: Beat) -> dict[str, Any]:
    """A sign of life; the answer says when the next is due and what the run must hear. 410: it was given up."""
    return parts.store.transaction(admission.heartbeat, attempt_id, body.instance)


@router.post("/attempts/{attempt_id}/end", dependencies=[scopes.own("attempt_id", of="attempt_id", after_end=True)])
def end(parts: PartsDep, attempt_id: UUID, body: Ended) -> State:
    """A runner's last word."""
    return parts.store.transaction(admission.end, attempt_id, body)
