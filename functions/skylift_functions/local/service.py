"""`skylift serve`: the whole control plane in one process."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing

from skylift import log_lines
from skylift.api import sites
from skylift.api.app import create_app
from skylift.errors import ConflictError, ForbiddenError, MissingExtraError
from skylift.hosts import is_loopback
from skylift.parts import Parts
from skylift.settings import Settings, Ui
from skylift_functions.local.clockwork import Clockwork
from skylift_functions.local.wakeups import LocalWakeups

HOST, PORT = "127.0.0.1", 4200


class LocalPlatform:
    """One process with API, timer and wakeups."""

    def serve(
        self,
        *,
        host: str = HOST,
        port: int = PORT,
        ui: str | None = None,
        ready: Callable[[str], None] = lambda url: None,
    ) -> None:
        """Serve until SIGINT or SIGTERM. `ready` is told the API's URL once everything runs.

        Port 0 takes a free one; `ui` stands in for the setting. Raises `ConflictError` where the port is taken.
        """
        try:
            import uvicorn
        except ModuleNotFoundError as error:
            raise MissingExtraError("`serve` needs the extra 'local': pip install 'skylift[local]'") from error
        log_lines.install()
        with closing(_bind(host, port)) as sock:
            url = f"http://{_reachable(host)}:{sock.getsockname()[1]}/api"
            settings = Settings() if ui is None else Settings(ui=Ui(ui))
            if "api_url" not in settings.model_fields_set:
                settings = settings.model_copy(update={"api_url": url})
            wakeups = LocalWakeups()
            parts = Parts.embedded(settings, wakeups=wakeups)
            _check_keys(parts, host)
            clockwork = Clockwork(parts, wakeups)
            app = create_app(parts, pages=sites.routes(parts))
            config = uvicorn.Config(app, log_level="warning", ws="auto", access_log=False)

            class Ready(uvicorn.Server):
                """Says when it is ready: from then on requests are answered."""

                async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                    await super().startup(sockets=sockets)
                    clockwork.start()
                    ready(url)

            # As an exception either signal lets everything be closed: the server passes them on when it has stopped.
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, lambda *_: sys.exit(0))
            server = Ready(config)
            try:
                server.run(sockets=[sock])
            finally:
                clockwork.stop()
                parts.store.close()

    def demo(self) -> None:
        """Show the service at work, on an empty database of its own."""
        from skylift_functions.local.demo import demo

        demo()


def _check_keys(parts: Parts, host: str) -> None:
    """Raises `ForbiddenError` where others than this machine's users could do everything."""
    if is_loopback(host) or parts.asks_for_keys:
        return
    parts.store.close()
    raise ForbiddenError(
        f"{host} can be reached from other machines, and there is no API key: whoever calls could do everything. "
        "Make one first: skylift api-key create NAME --role admin"
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: else asyncio does not know that it is TCP and leaves Nagle's algorithm on, and a kept
    # connection's answers come 40 ms late, when their heads have been acknowledged.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ConflictError(
            f"Cannot listen on {host}:{port} ({error.strerror}): is Skylift running already? Try another --port"
        ) from error
    return sock


def _reachable(host: str) -> str:
    """An address that local runs can call: a wildcard is none."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
