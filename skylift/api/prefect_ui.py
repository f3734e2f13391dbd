"""Prefect's own web page (its second generation), served from the user's installation of it under a path of ours.

Its files name a placeholder where they are served from, and ask `ui-settings` for the API. It is kept to this server by
its policy: else each page would call an analytics service, and load logos from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from skylift.api.static_files import Site
from skylift.parts import Parts

PLACEHOLDER = b"/PREFECT_UI_SERVE_BASE_REPLACE_PLACEHOLDER"
SETTINGS = "ui-settings"
GENERATION = "/v2"
"""A last segment that the page takes off its path before it asks for its settings."""
POLICY = (
    # 'unsafe-eval' draws the graph of a run.
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src {origins}; worker-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'"
)


def installed_folder() -> Path | None:
    """The files in the installed package, which is found but not imported; None where there is none."""
    package = find_spec("prefect")
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "server" / "ui-v2"


def site(parts: Parts, folder: Path, path: str) -> Site:
    """The page, with this installation's API."""

    def tell(_request: Request) -> Response:
        told = settings(path, "/api", needs_key=parts.asks_for_keys)
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    return Site(
        folder,
        POLICY.format(origins="'self'"),
        path,
        has_paths=True,
        rewritten=served_under(path),
        made={settings_path(path): tell},
    )


def served_under(path: str) -> Callable[[bytes], bytes]:
    """Puts the path into the files."""
    return lambda content: content.replace(PLACEHOLDER, path.encode())


def settings_path(path: str) -> str:
    """Where the page asks for its settings."""
    return f"{path.removesuffix(GENERATION)}/{SETTINGS}"


def settings(path: str, api_url: str, *, needs_key: bool) -> dict[str, Any]:
    """What the page is told. Its login sends what is typed as Basic credentials, as which an API key is taken."""
    return {
        "api_url": api_url,
        "csrf_enabled": False,
        "auth": "BASIC" if needs_key else None,
        "flags": [],
        "default_ui": "v2",
        "available_uis": ["v2"],
        "v1_base_url": None,
        "v2_base_url": path or "/",
    }
