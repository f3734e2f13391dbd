"""Cloud Run functions of the local Google: processes of Google's own functions framework behind a front that starts
them, hands each so many requests at a time, and lets only those through who may call.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.clouds.google_tokens import Tokens, without_signature
from tests.clouds.http_cloud import Answer, HttpCloud, Request

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "functions" / "gcp_source" / "main.py"
START = 60.0
PASSED_ON = ("host", "connection", "content-length", "transfer-encoding", "keep-alive", "date", "server")


class Instance:
    """One process of the framework, started by its first request. Its server has a process of its own under it."""

    def __init__(self, target: str, env: Mapping[str, str], log: Path) -> None:
        self.target, self.env, self.log = target, dict(env), log
        self.starts = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._closed = False

    def ask(self, request: Request, timeout: float) -> httpx.Response:
        """Raises httpx's errors where it dies, or takes too long."""
        with self._lock:
            self._ensure_started()
            self._under_way += 1
        try:
            headers = {name: value for name, value in request.headers.items() if name not in PASSED_ON}
            url = f"http://127.0.0.1:{self._port}{request.path}"
            return httpx.request(
                request.method,
                url,
                params=list(request.query.items()),
                content=request.body,
                headers=headers,
                timeout=timeout,
            )
        finally:
            self._under_way -= 1

    @property
    def is_busy(self) -> bool:
        return self._under_way > 0

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        process = self._process
        if process:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait(10)

    def kill_if_busy(self) -> bool:
        """Only in the midst of a request; says whether there was one."""
        if not self.is_busy:
            return False
        self.kill()
        return True

    def close(self) -> None:
        """It is not started again."""
        with self._lock:
            self._closed = True
            self.kill()

    def _ensure_started(self) -> None:
        if self._closed:
            raise httpx.ConnectError(f"{self.target} is closed")
        if self._process and self._process.poll() is None:
            return
        self._port, self.starts = _free_port(), self.starts + 1
        command = [sys.executable, "-W", "ignore", "-m", "functions_framework", "--target", self.target]
        where = ["--source", str(SOURCE), "--host", "127.0.0.1", "--port", str(self._port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *where],
                cwd=self.log.parent,
                env={**self.env, "PORT": str(self._port)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START
        while not _answers(self._port):
            if self._process.poll() is not None or time.monotonic() > until:
                raise httpx.ConnectError(f"{self.target} does not start")
            time.sleep(0.05)


class Function(HttpCloud):
    """A function with up to `most` instances; more requests than they take wait. `callers`: None for everybody."""

    def __init__(
        self,
        name: str,
        env: Mapping[str, str],
        folder: Path,
        *,
        timeout: float,
        most: int = 1,
        concurrency: int = 1,
        callers: frozenset[str] | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        super().__init__()
        self.name, self.timeout, self.callers, self.tokens = name, timeout, callers, tokens
        self.log = folder / f"{name}.log"
        kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder), "K_SERVICE": name}
        environment = {**kept, **env, "CLOUD_RUN_TIMEOUT_SECONDS": f"{timeout:g}"}
        self.instances = [Instance(name, environment, self.log) for _ in range(most)]
        self.codes: list[int] = []
        self._free: queue.LifoQueue[Instance] = queue.LifoQueue()
        for _ in range(concurrency):
            for each in reversed(self.instances):
                self._free.put(each)

    def answer(self, request: Request) -> Answer:
        headers, refused = dict(request.headers), None
        if self.callers is not None:
            headers, refused = self._checked(headers)
        if refused:
            self.codes.append(refused.status)
            return refused
        headers = {**headers, "traceparent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"}
        wanted = Request(request.method, request.path, request.query, headers, request.body)
        with self._instance() as instance:
            try:
                found = instance.ask(wanted, self.timeout)
            except httpx.TimeoutException:
                instance.kill()
                answer = Answer(504, {"error": "upstream request timeout"})
            except httpx.HTTPError:
                answer = Answer(500, {"error": "The request failed because the instance died"})
            else:
                answer = Answer(found.status_code, found.content, _passed_on(found.headers))
        self.codes.append(answer.status)
        return answer

    def _checked(self, headers: dict[str, str]) -> tuple[dict[str, str], Answer | None]:
        """As Cloud Run does for a service whose policy names its invokers."""
        token = headers.get("authorization", "").removeprefix("Bearer ")
        who = self.tokens.whose(token, self.url) if self.tokens and token else None
        if who is None:
            return headers, Answer(401, {"error": "Your client does not have permission to the requested URL"})
        if who not in (self.callers or ()):
            return headers, Answer(403, {"error": "Your client does not have permission to get URL"})
        return {**headers, "authorization": f"Bearer {without_signature(token)}"}, None

    @contextmanager
    def _instance(self) -> Iterator[Instance]:
        instance = self._free.get()
        try:
            yield instance
        finally:
            self._free.put(instance)

    def close(self) -> None:
        super().close()
        for each in self.instances:
            each.close()

    def lines(self) -> list[dict[str, Any]]:
        """What it logged as JSON."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def metric(self, name: str) -> list[float]:
        """Every value of a metric, in the order in which they were told."""
        return [line["metrics"][name] for line in self.lines() if name in line.get("metrics", {})]


def _passed_on(headers: httpx.Headers) -> dict[str, str]:
    dropped = {*PASSED_ON, "content-encoding"}
    return {name.title(): value for name, value in headers.items() if name.lower() not in dropped}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
