"""Writes down which routes a real Prefect server has, as data for docs/compatibility.md.

.venv-prefect/bin/python -m tests.clients.record_routes
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="routes-")

import prefect  # type: ignore[import-not-found]
from prefect.server.api.server import API_ROUTERS, create_app  # type: ignore[import-not-found]
from starlette.routing import WebSocketRoute

RECORD = Path(__file__).with_name("data") / "routes.json"


def websockets() -> list[str]:
    """Paths of the websockets."""
    return [route.path for router in API_ROUTERS for route in router.routes if isinstance(route, WebSocketRoute)]


def main() -> None:
    app = create_app(ephemeral=True)
    paths = app.openapi()["paths"]
    record = {
        "prefect": prefect.__version__,
        "routes": {
            path.removeprefix("/api"): sorted(method.upper() for method in methods) for path, methods in paths.items()
        },
        "websockets": sorted(set(websockets())),
    }
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    print(len(record["routes"]), "paths,", len(record["websockets"]), "websockets")


if __name__ == "__main__":
    main()
