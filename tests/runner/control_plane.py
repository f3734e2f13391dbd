"""A small control plane over real HTTP on loopback: what the runner talks to, and a record of all that it said."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid4, uuid5

from skylift.bootstrap import runner_sha256, runner_source

TOKEN = "run-token-that-nobody-may-see"
FILES = "/files/"


@dataclass
class Call:
    """One request, in the order of arrival."""

    path: str
    body: Any
    authorization: str | None
    at: float
    status: int


@dataclass
class Attempt:
    """What one attempt is to do and what became of it."""

    terms: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid4()))
    instance: str | None = None
    given_up: bool = False
    state: str = "PENDING"
    state_name: str | None = None
    accepted: dict[str, Any] | None = None
    """The last state that was proposed and taken."""
    answers: list[dict[str, Any]] = field(default_factory=list)
    """What set_state answers, in this order, before it accepts."""
    end: dict[str, Any] | None = None
    logs: list[dict[str, Any]] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        return str(self.terms["flow_run"]["id"])

    def told(self) -> dict[str, str]:
        """Its state, as heartbeats hear of it."""
        name = self.state_name or self.state.capitalize()
        key = str(uuid5(NAMESPACE_URL, f"{self.id}/{self.state}/{name}"))
        return {"id": key, "type": self.state, "name": name, "timestamp": "2030-01-01T00:00:00Z"}

    def messages(self, name: str | None = None) -> list[str]:
        return [line["message"] for line in self.logs if name in (None, line["name"])]


@dataclass
class Forwarded:
    """A request that is neither the runner's own nor for a file: the relay passed it on."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ControlPlane:
    """Use as a context manager. While `outage` is set, every POST gets a 503, or with "drop" no answer
    at all; while `log_outage` is, those to /logs/ do."""

    def __init__(self) -> None:
        self.attempts: dict[str, Attempt] = {}
        self.calls: list[Call] = []
        self.files: dict[str, bytes] = {}
        self.outage: Literal["503", "drop"] | None = None
        self.log_outage = False
        self.unheard: set[str] = set()
        """Verbs of which one more answer is lost when all is done that was asked."""
        self.forwarded: list[Forwarded] = []
        self.script: list[int | Literal["drop"]] = []
        """How what is forwarded is answered, in this order, before it is echoed."""
        self.events: list[dict[str, Any]] = []
        self.bad_events: set[str] = set()
        self.takes_events = True
        self.page: tuple[int, bytes] | None = None
        """What every POST gets instead of an answer, as from a gateway in between."""
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.port = 0
        self.server: _Server | None = None

    def __enter__(self) -> ControlPlane:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Listen, on the same port as before."""
        self.server = _Server(("127.0.0.1", self.port), self)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop listening and hang up on all: connections are refused until `open`."""
        if self.server:
            self.server.shutdown()
            self.server.hang_up()
            self.server.server_close()
            self.server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def file_url(self, name: str, content: bytes) -> str:
        """Serve `content` for code steps."""
        self.files[name] = content
        return f"http://127.0.0.1:{self.port}{FILES}{name}"

    def attempt(self, **terms: Any) -> Attempt:
        """A new attempt; `terms` override the defaults."""
        run = {"id": str(uuid4()), "name": "brave-heron", "deployment_id": None, "run_count": 1}
        defaults: dict[str, Any] = {
            "token": TOKEN,
            "flow_run": run,
            "kind": "python",
            "entrypoint": None,
            "command": None,
            "parameters": {},
            "code": [],
            "env": {},
            "working_dir": None,
            "timeout_seconds": None,
            "grace_seconds": 5.0,
            "heartbeat_seconds": 0.2,
        }
        attempt = Attempt({**defaults, **terms})
        self.attempts[attempt.id] = attempt
        return attempt

    def wait(self, condition: Callable[[], object], seconds: float = 15) -> None:
        """Until `condition` holds after some call; fails after `seconds`."""
        with self.changed:
            assert self.changed.wait_for(condition, seconds), "the runner did not get there in time"

    def paths(self) -> list[str]:
        return [call.path for call in self.calls]

    def answer(self, path: str, body: Any, authorization: str | None) -> tuple[int, Any]:
        parts = path.removeprefix("/api").strip("/").split("/")
        match parts:
            case ["attempts", key, verb] if key in self.attempts:
                attempt = self.attempts[key]
                if verb == "admit":
                    return self._admit(attempt, body)
                if authorization != f"Bearer {TOKEN}":
                    return 401, {"detail": "no token"}
                if attempt.given_up:
                    return 410, {"detail": "given up"}
                if verb == "end":
                    attempt.end = body
                    return 200, {"state": "decided here"}
                return 200, {"next": attempt.terms["heartbeat_seconds"], "states": {attempt.run_id: attempt.told()}}
            case ["flow_runs", run, "set_state"]:
                attempt = self._of_run(run)
                if attempt.answers:
                    return 200, attempt.answers.pop(0)
                if body["state"] == attempt.accepted:
                    details = {"type": "reject_details", "reason": "This transition was already made"}
                    return 200, {"status": "REJECT", "state": attempt.accepted, "details": details}
                attempt.accepted = body["state"]
                attempt.states.append(body["state"]["type"])
                attempt.state, attempt.state_name = body["state"]["type"], None
                return 201, {"status": "ACCEPT", "state": body["state"], "details": {}}
            case ["events"]:
                return self._take_events(body)
            case ["logs"]:
                for line in body:
                    self._of_run(line["flow_run_id"]).logs.append(line)
                return 201, None
        return 404, {"detail": "Not Found"}

    def _take_events(self, body: Any) -> tuple[int, Any]:
        if not self.takes_events:
            return 404, {"detail": "Not Found"}
        if any(event["id"] in self.bad_events for event in body):
            return 422, {"detail": "no event"}
        self.events += body
        return 204, None

    def _of_run(self, run: str) -> Attempt:
        return next(one for one in self.attempts.values() if one.run_id == run)

    def _admit(self, attempt: Attempt, body: Any) -> tuple[int, Any]:
        if attempt.given_up:
            return 410, {"detail": "given up"}
        if attempt.instance not in (None, body["instance"]):
            return 409, {"detail": "taken"}
        attempt.instance = body["instance"]
        return 200, attempt.terms


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], plane: ControlPlane) -> None:
        super().__init__(address, _Handler)
        self.plane = plane
        self.open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for request in list(self.open):
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the runner hung up, or we did


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        plane, path = self.server.plane, self.path.partition("?")[0]
        if path.startswith("/api/skylift/runner/"):
            found = runner_source() if path.endswith(f"/{runner_sha256()}.py") else b"print('another runner')\n"
        elif path.startswith("/api/"):
            self._echo()
            return
        else:
            found = plane.files.get(path.removeprefix(FILES), b"")
        self._send(200 if found else 404, found)

    def _echo(self, body: bytes = b"") -> None:
        plane = self.server.plane
        with plane.changed:
            plane.forwarded.append(Forwarded(self.command, self.path, dict(self.headers.items()), body))
            status = plane.script.pop(0) if plane.script else 200
            plane.changed.notify_all()
        if status == "drop":
            self.close_connection = True
            return
        said = json.dumps({"method": self.command, "path": self.path, "body": body.decode()}).encode()
        where = {"Location": f"http://127.0.0.1:{plane.port}/api/elsewhere?a=b"} if 300 <= status < 400 else {}
        self._send(status, b"" if status == 204 else said, where)

    def do_POST(self) -> None:
        plane = self.server.plane
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization")
        path = self.path.removeprefix(f"http://127.0.0.1:{plane.port}")  # absolute, when we are also the proxy
        if path.startswith("/api/echo"):
            self._echo(raw)
            return
        with plane.changed:
            body = json.loads(raw)
            outage = plane.outage or (plane.log_outage and path == "/api/logs/")
            status, answer = (503, None) if outage else plane.answer(path, body, authorization)
            plane.calls.append(Call(path, body, authorization, time.monotonic(), status))
            verb = path.rpartition("/")[2]
            lost = outage == "drop" or verb in plane.unheard
            plane.unheard.discard(verb)
            plane.changed.notify_all()
        if lost:
            self.close_connection = True
            return
        page = (status, b"" if answer is None else json.dumps(answer).encode())
        self._send(*(plane.page or page))

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
