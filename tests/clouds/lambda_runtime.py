"""The local Lambda: functions are processes of AWS's own runtime client, which ask this Runtime API for their events.

A sandbox answers one event at a time; a function has as many as it was given. One that dies, or takes longer than the
function's timeout, fails its invocation, and the next one starts it anew.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "/2018-06-01/runtime"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an invocation."""

    kind: Literal["ok", "error", "died", "timeout"]
    body: Any = None


@dataclass(eq=False)
class _Invocation:
    id: str
    event: Any
    deadline: float
    over: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome = field(default_factory=lambda: Outcome("died"))

    def end(self, outcome: Outcome) -> None:
        if not self.over.is_set():
            self.outcome = outcome
            self.over.set()


class Sandbox:
    """One process of the runtime client, started by its first event."""

    def __init__(self, handler: str, env: Mapping[str, str], log: Path) -> None:
        self.handler, self.env, self.log = handler, env, log
        self.starts = 0
        self._events: queue.Queue[_Invocation | None] = queue.Queue()
        self._current: _Invocation | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (_Api,), {"sandbox": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def invoke(self, event: Any, timeout: float) -> Outcome:
        made = _Invocation(str(uuid.uuid4()), event, time.time() + timeout)
        self._current = made
        self._ensure_started()
        self._events.put(made)
        until = time.monotonic() + timeout
        while not made.over.wait(0.02):
            if self._process is None or self._process.poll() is not None:
                made.over.wait(0.1)  # its answer may be on its way
                made.end(Outcome("died"))
            elif time.monotonic() > until:
                self.kill()
                made.end(Outcome("timeout"))
        self._current = None
        return made.outcome

    def next(self) -> _Invocation | None:
        """The next event, once there is one; None: there will be none."""
        return self._events.get()

    def answered(self, about: str, outcome: Outcome) -> None:
        """The process says what became of an invocation, or why it does not start (`init`)."""
        current = self._current
        if current and about in (current.id, "init"):
            current.end(outcome)

    @property
    def is_busy(self) -> bool:
        current = self._current
        return current is not None and not current.over.is_set()

    def kill(self) -> bool:
        """SIGKILL, wherever it is; says whether an event was under way."""
        was_busy = self.is_busy
        process = self._process
        if process and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        return was_busy

    def kill_if_busy(self) -> bool:
        """Only in the midst of an event; says whether there was one."""
        return self.is_busy and self.kill()

    def close(self) -> None:
        self.kill()
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _ensure_started(self) -> None:
        if self._process and self._process.poll() is None:
            return
        self._events = queue.Queue()  # what asks for events still is dead
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "awslambdaric", self.handler],
                cwd=ROOT,
                env={**self.env, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


class _Api(BaseHTTPRequestHandler):
    """The Runtime API of one sandbox."""

    sandbox: Sandbox
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        made = self.sandbox.next()
        if made is None:
            self.close_connection = True
            return
        self._answer(
            200,
            json.dumps(made.event).encode(),
            {
                "Lambda-Runtime-Aws-Request-Id": made.id,
                "Lambda-Runtime-Deadline-Ms": str(int(made.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:000000000000:function:f",
            },
        )

    def do_POST(self) -> None:
        body = json.loads(self._body() or b"null")
        *_, about, word = self.path.split("/")
        self.sandbox.answered(about, Outcome("ok" if word == "response" else "error", body))
        self._answer(202, b"{}", {})

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        return None


class Function:
    """A Lambda function with up to `most` sandboxes; more events than that wait."""

    def __init__(
        self, name: str, handler: str, env: Mapping[str, str], folder: Path, *, timeout: float, most: int = 1
    ) -> None:
        self.name, self.timeout = name, timeout
        self.log = folder / f"{name}.log"
        kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(folder)}
        environment = {
            **kept,
            **env,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        }
        self.sandboxes = [Sandbox(handler, environment, self.log) for _ in range(most)]
        self.outcomes: list[Outcome] = []
        self._free: queue.LifoQueue[Sandbox] = queue.LifoQueue()
        for each in reversed(self.sandboxes):
            self._free.put(each)

    def invoke(self, event: Any) -> Outcome:
        """Synchronously."""
        with self._sandbox() as sandbox:
            outcome = sandbox.invoke(event, self.timeout)
        self.outcomes.append(outcome)
        return outcome

    @contextmanager
    def _sandbox(self) -> Iterator[Sandbox]:
        sandbox = self._free.get()
        try:
            yield sandbox
        finally:
            self._free.put(sandbox)

    def close(self) -> None:
        for each in self.sandboxes:
            each.close()

    def lines(self) -> list[dict[str, Any]]:
        """What it logged as JSON: log lines, and metrics."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def metric(self, name: str) -> list[float]:
        """Every value of a metric, in the order in which they were told."""
        values: list[float] = []
        for line in self.lines():
            if "_aws" in line and name in line:
                values += line[name] if isinstance(line[name], list) else [line[name]]
        return values
