"""A proxy before a real container engine: notes what it is asked, misbehaves on demand, and refuses what the provider
does not declare, as authorization plugins do. Whatever it lets through, the engine itself answers.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from urllib.parse import urlencode

from tests.clouds.http_cloud import Answer, HttpCloud, Request
from tests.clouds.journal import Call, Journal
from tests.clouds.mischief import Kind, Mischief, Refused

REFUSALS: Mapping[Kind, tuple[int, str]] = {
    "throttle": (429, "toomanyrequests: too many requests"),
    "no_room": (500, "mkdir /var/lib/docker/overlay2/0: no space left on device"),
    "deny": (403, "authorization denied by plugin tests: not for you"),
    "break": (500, "internal: the engine has lost its mind"),
}
DROPPED = frozenset(["connection", "transfer-encoding", "content-length", "keep-alive"])


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=600)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class EngineProxy(HttpCloud):
    """`url` is for DOCKER_HOST."""

    def __init__(self, engine: str, operations: Mapping[str, tuple[str, str]]) -> None:
        """`engine`: unix:///path. `operations`: what may be called: names to methods and paths."""
        super().__init__()
        self.engine = engine.removeprefix("unix://")
        self.journal, self.mischief = Journal(), Mischief()
        self._operations = [
            (name, method, re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(path))))
            for name, (method, path) in operations.items()
        ]

    @property
    def docker_host(self) -> str:
        return self.url.replace("http://", "tcp://")

    def close(self) -> None:
        self.mischief.behave()
        super().close()

    def answer(self, request: Request) -> Answer:
        path = re.sub(r"^/v1\.\d+", "", request.path)
        name = next((name for name, method, pattern in self._operations if _is(request, path, method, pattern)), None)
        self.journal.note(_call(name or "undeclared", request, path))
        if not name:
            return _refusal(403, f"authorization denied by plugin tests: {request.method} {path} is not declared")
        try:
            self.mischief.before(name)
        except Refused as refused:
            self.journal.answered(name, refused.kind)
            return _refusal(*REFUSALS[refused.kind])
        answer = self._forward(self.changed(name, request))
        self.journal.answered(name, "ok" if answer.status < 400 else str(answer.status))
        self.mischief.after(name)
        return answer

    def changed(self, name: str, request: Request) -> Request:
        """What the engine is asked in place of this."""
        return request

    def _forward(self, request: Request) -> Answer:
        connection = UnixConnection(self.engine)
        query = f"?{urlencode(request.query)}" if request.query else ""
        headers = {name: value for name, value in request.headers.items() if name not in DROPPED}
        connection.request(request.method, request.path + query, request.body or None, headers)
        answer = connection.getresponse()
        told = {name: value for name, value in answer.getheaders() if name.lower() not in DROPPED}
        if request.query.get("follow") in ("1", "true", "True") or request.path.endswith("/images/create"):
            return Answer(answer.status, _as_they_come(connection, answer), told)
        with closing(connection):
            return Answer(answer.status, answer.read(), told)


def _as_they_come(connection: UnixConnection, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    with closing(connection):
        while piece := answer.read1(65536):
            yield piece


def _is(request: Request, path: str, method: str, pattern: re.Pattern[str]) -> bool:
    return request.method == method and bool(pattern.fullmatch(path))


def _call(name: str, request: Request, path: str) -> Call:
    """What the engine shows to nobody: the way to sign in at a registry, and files that are put into a container."""
    auth = request.headers.get("x-registry-auth")
    if name == "PutContainerArchive":
        return Call(name, {"path": path, **request.query}, secret_fields=request.body)
    body = json.loads(request.body) if request.body.startswith(b"{") else None
    return Call(name, {"path": path, "query": dict(request.query), "body": body}, secret_fields=auth)


def _refusal(status: int, message: str) -> Answer:
    return Answer(status, {"message": message})
