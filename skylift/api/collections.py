"""/collections: the work pool types that there are, with their default base job templates."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from skylift.api import scopes
from skylift.api.deps import PartsDep
from skylift.errors import MissingExtraError

router = APIRouter(prefix="/collections", tags=["Collections"])


@router.get("/views/aggregate-worker-metadata", dependencies=[scopes.SHARED_READ])
def worker_metadata(parts: PartsDep) -> dict[str, dict[str, Any]]:
    """By collection and type; the unmodified `prefect` client takes its default templates from here."""
    found: dict[str, Any] = {}
    for type_ in parts.providers.types:
        try:
            provider = parts.providers.get(type_)
        except MissingExtraError:
            continue
        found[type_] = {
            "type": type_,
            "display_name": provider.display_name,
            "description": provider.description,
            "default_base_job_configuration": provider.base_job_template(),
            "documentation_url": "",
            "install_command": "",
            "is_beta": False,
            "logo_url": "",
        }
    return {"skylift": found}
