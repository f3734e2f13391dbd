"""The processes of a storm: dispatchers and the API, each forked by host.py."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn

from skylift.api.app import create_app
from skylift.parts import Parts
from skylift.settings import Settings
from skylift.store import attempts
from skylift_functions.local import clockwork
from skylift_functions.local.clockwork import Clockwork
from skylift_functions.local.wakeups import LocalWakeups
from tests.chaos.storm import bugs, clocks

TIMER, STRAYS_EVERY = 1.0, 10
CALL_TIMEOUT = 10.0
"""Seconds; no link of a storm holds anything back for so long."""
LOOK_EVERY = 0.7


def dispatcher(env: Mapping[str, str], ahead: float = 0.0, bug: str = "") -> None:
    """The clockwork of `skylift serve`, with a quicker timer, until SIGTERM. `ahead`: by how many seconds its clock is
    wrong; `bug`: see bugs.py."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    os.environ.update(env)
    clockwork.TIMER, clockwork.STRAYS_EVERY = TIMER, STRAYS_EVERY
    attempts.LONGEST_CALL = timedelta(seconds=CALL_TIMEOUT)
    wakeups = LocalWakeups()
    parts = Parts.embedded(Settings(), wakeups=wakeups)
    for type_ in parts.providers.types:
        provider = parts.providers.get(type_)
        provider.call_timeout = min(provider.call_timeout, CALL_TIMEOUT)
        provider.look_every = LOOK_EVERY
    if bug:
        bugs.plant(bug)
    if ahead:
        clocks.shift(ahead)
    running = Clockwork(parts, wakeups)
    running.start()
    over.wait()
    running.stop()
    parts.store.close()


def api(env: Mapping[str, str], port: int, tokens: str, ahead: float = 0.0) -> None:
    """The API alone, until SIGTERM; the run tokens that it hands out are noted in the file `tokens`, for a thief."""
    os.environ.update(env)
    attempts.LONGEST_CALL = timedelta(seconds=CALL_TIMEOUT)
    parts = Parts.embedded(Settings())
    if ahead:
        clocks.shift(ahead)
    door = socket.create_server(("127.0.0.1", port), backlog=256)
    app = Overheard(create_app(parts), Path(tokens))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", access_log=False, lifespan="off"))
    server.run(sockets=[door])


class Overheard:
    """An ASGI app, and somebody who listens to what runners are told."""

    def __init__(self, app: Any, tokens: Path) -> None:
        self.app, self.tokens = app, tokens

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].endswith("/admit"):
            await self.app(scope, receive, send)
            return
        body = bytearray()

        async def listen(message: Any) -> None:
            body.extend(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, listen)
        if b'"token"' in body:
            with self.tokens.open("a") as file:
                line = {"attempt": scope["path"].split("/")[-2], "token": json.loads(body)["token"]}
                file.write(json.dumps(line) + "\n")
