"""The API alone, without a timer and without dispatch, on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from skylift.api.app import create_app
from skylift.parts import Parts
from skylift.settings import Settings


@contextmanager
def serve_api(database_url: str, folder: Path) -> Iterator[str]:
    """Its URL. Keys are those in `folder/home`, as in `Place`."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/api"
        parts = Parts.embedded(Settings(home=folder / "home", database_url=database_url, api_url=url))
        server = uvicorn.Server(
            uvicorn.Config(create_app(parts), log_level="warning", ws="none", access_log=False, lifespan="off")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            until = time.monotonic() + 20
            while not server.started and time.monotonic() < until:
                time.sleep(0.01)
            assert server.started
            yield url
        finally:
            server.should_exit = True
            thread.join()
            parts.store.close()
