"""/automations: not served yet. Clients that look get a true answer (there are none); who wants to make one is told
what to do instead."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse

from skylift.api import scopes
from skylift.api.routing import Router
from skylift.errors import NotFoundError

NOT_SERVED = (
    "Skylift does not serve automations yet, so nothing was saved. Start runs with schedules "
    "(`prefect deployment schedule create`) or from a script that calls `prefect deployment run`; to react to how a "
    "run ended, use the flow's own hooks (on_completion, on_failure, on_crashed, on_cancellation)."
)

router = Router(prefix="/automations", tags=["Automations"])


@router.post("/", status_code=501, dependencies=[scopes.NONE])
def create_automation() -> JSONResponse:
    """501: not served yet."""
    return JSONResponse({"detail": NOT_SERVED}, 501)


@router.post("/filter", dependencies=[scopes.READ])
def filter_automations() -> list[dict[str, Any]]:
    """There are none."""
    return []


@router.post("/count", dependencies=[scopes.READ])
def count_automations() -> int:
    """There are none."""
    return 0


@router.get("/related-to/{resource:path}", dependencies=[scopes.NONE])
def related_automations(resource: str) -> list[dict[str, Any]]:
    """There are none."""
    return []


@router.delete("/owned-by/{resource:path}", status_code=202, dependencies=[scopes.DEPLOY])
def delete_owned_automations(resource: str) -> None:
    """Sent with every deployment. There are none."""


@router.get("/{automation_id}", dependencies=[scopes.NONE])
def read_automation(automation_id: str) -> dict[str, Any]:
    """404: there are none."""
    raise NotFoundError(f"There is no automation {automation_id}: Skylift does not serve automations yet")


@router.put("/{automation_id}", status_code=501, dependencies=[scopes.NONE])
def replace_automation(automation_id: str) -> JSONResponse:
    """501: not served yet."""
    return JSONResponse({"detail": NOT_SERVED}, 501)


@router.patch("/{automation_id}", status_code=501, dependencies=[scopes.NONE])
def update_automation(automation_id: str) -> JSONResponse:
    """501: not served yet."""
    return JSONResponse({"detail": NOT_SERVED}, 501)


@router.delete("/{automation_id}", status_code=204, dependencies=[scopes.NONE])
def delete_automation(automation_id: str) -> None:
    """404: there are none."""
    raise NotFoundError(f"There is no automation {automation_id}: Skylift does not serve automations yet")
