"""Looks at every answer of a service as it leaves: an ASGI layer that notes what does not fit the reference's schemas.

What is alike is looked at once: of a list one element of each shape, and of an operation one answer of each shape. The
shape of a value keeps all that schemas tell apart: types, names of fields, formats, and words in capitals.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from tests.support.response_schemas import operation_of, problems

Answer = tuple[str, str, bytes]
_FORMATS = (
    ("uuid", re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")),
    ("time", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")),
    ("duration", re.compile(r"-?P[\dTDHMS.]+")),
)


def shape(value: Any) -> Any:
    """Hashable, and the same for values that a schema cannot tell apart."""
    if isinstance(value, dict):
        return tuple((name, shape(value[name])) for name in sorted(value))
    if isinstance(value, list):
        return ("list", *dict.fromkeys(map(shape, value)))
    if not isinstance(value, str):
        return type(value).__name__
    found = next((name for name, pattern in _FORMATS if pattern.fullmatch(value)), None)
    return found or (value if value.isupper() and len(value) < 40 else ("text", bool(value)))


def thinned(value: Any) -> Any:
    """The value with one element of each shape in its lists."""
    if isinstance(value, dict):
        return {name: thinned(each) for name, each in value.items()}
    if isinstance(value, list):
        return [thinned(each) for each in {shape(each): each for each in value}.values()]
    return value


@dataclass
class Report:
    """What was noticed; answers are looked at by a thread of its own, which nobody waits for before the end."""

    operations: Counter[str] = field(default_factory=Counter)
    """Answers with a schema, by operation."""
    websockets: Counter[str] = field(default_factory=Counter)
    """Handshakes, by path."""
    wrong: dict[str, None] = field(default_factory=dict)
    """In words, in the order in which it was noticed, each once."""
    _seen: set[tuple[str, Any]] = field(default_factory=set)
    _answers: SimpleQueue[Answer | None] = field(default_factory=SimpleQueue)
    _thread: threading.Thread | None = None

    def add(self, method: str, path: str, body: bytes) -> None:
        if not self._thread:
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()
        self._answers.put((method, path, body))

    def _look(self) -> None:
        while answer := self._answers.get():
            try:
                self._note(*answer)
            except Exception as error:
                self.wrong[f"{answer[0]} {answer[1]} could not be looked at: {error!r}"] = None

    def _note(self, method: str, path: str, body: bytes) -> None:
        operation = operation_of(method, path)
        if not operation:
            return
        self.operations[operation] += 1
        value = thinned(json.loads(body)) if body else None
        key = (operation, shape(value))
        if key not in self._seen:
            self._seen.add(key)
            self.wrong |= dict.fromkeys(f"{operation}: {each}" for each in problems(operation, value))

    def as_json(self) -> str:
        """Once all answers have been looked at."""
        self._answers.put(None)
        if self._thread:
            self._thread.join()
        found = {"operations": self.operations, "websockets": self.websockets, "wrong": list(self.wrong)}
        return json.dumps(found, indent=1)


@dataclass
class Watched:
    """An ASGI app whose answers are reported."""

    app: Any
    report: Report

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            self.report.websockets[scope["path"]] += 1
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, body = 0, bytearray()

        async def passed_on(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            body.extend(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, passed_on)
        if 200 <= status < 300:
            self.report.add(scope["method"], scope["path"].removeprefix("/api"), bytes(body))


@dataclass
class PerRequest:
    """An ASGI app as function platforms call one: for a request that is there as a whole, and gives its whole answer in
    one piece. It is never started, and nothing keeps a connection to it: websockets are refused."""

    app: Any

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            await self._invoke(scope, receive, send)
        else:
            raise RuntimeError(f"{scope['type']}: function platforms have none")

    async def _invoke(self, scope: Any, receive: Any, send: Any) -> None:
        whole, more = bytearray(), True
        while more:
            message = await receive()
            whole += message.get("body", b"")
            more = message.get("more_body", False)
        given, start, answer = False, None, bytearray()

        async def once() -> Any:
            nonlocal given
            if given:
                return {"type": "http.disconnect"}
            given = True
            return {"type": "http.request", "body": bytes(whole), "more_body": False}

        async def collect(message: Any) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
            else:
                answer.extend(message.get("body", b""))

        await self.app(scope, once, collect)
        await send(start)
        await send({"type": "http.response.body", "body": bytes(answer)})
