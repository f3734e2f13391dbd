"""The relay: what the processes of a Prefect flow take for their API. A part of the runner, and served with it.

It listens on loopback. Plain HTTP is passed on with the run's token, which the child never sees. Websockets end here:
what comes in on /events/in goes on in batches of POST /events, and /events/out says what the heartbeats' answers
told. So the API behind it is only ever asked by short HTTP requests.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import hashlib
import http.client
import io
import json
import re
import secrets
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

BATCH_EVENTS, EVENT_BATCH_BYTES, EVENT_QUEUE_BYTES, EVENT_LINGER = 200, 1_000_000, 20_000_000, 0.5
SEEN_EVENTS, MESSAGE_BYTES = 20_000, 16 << 20
FORWARD_PATIENCE = 25.0  # with a last call of 30 s that is less than the minute after which Prefect's client gives up
# What belongs to one connection, or is set anew by each side.
NOT_FORWARDED = frozenset(
    "authorization connection content-length date expect host keep-alive proxy-authenticate proxy-authorization "
    "proxy-connection server te trailer transfer-encoding upgrade".split()
)
UNAVAILABLE = {500, 502, 504}  # Prefect's client tries 503 again, and of these none or not all
NOT_TAKEN = {401, 403, 404, 405, 410}  # by POST /events: no matter which events, and for good
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Upstream(Protocol):
    """The API behind the relay."""

    def call(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], patience: float = 0.0
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers, body. ConnectionError: no answer that decides, within `patience` seconds."""


class RefusedError(Exception):
    """The other side broke the websocket protocol; `code` goes into the close frame."""

    def __init__(self, code: int) -> None:
        super().__init__(f"websocket closed with {code}")
        self.code = code


class WebSocket:
    """The server's side of RFC 6455, after the handshake."""

    def __init__(self, source: io.BufferedIOBase, connection: socket.socket) -> None:
        self.source, self.connection = source, connection
        self.lock, self.closed = threading.Lock(), False

    def send(self, payload: bytes, opcode: int = TEXT) -> None:
        """Raises OSError where the other side is gone."""
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 128 | opcode, size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 128 | opcode, 126, size)
        else:
            head = struct.pack("!BBQ", 128 | opcode, 127, size)
        with self.lock:  # pongs and events come from different threads
            if not self.closed:
                self.closed = opcode == CLOSE
                self.connection.sendall(head + payload)

    def receive(self) -> bytes | None:
        """The next message; None once the connection is over. Answers pings and the close frame."""
        try:
            return self._message()
        except RefusedError as error:
            self.close(error.code)
        except (EOFError, OSError, ValueError):  # cut off, or closed by us
            self.closed = True
        return None

    def _message(self) -> bytes | None:
        parts: list[bytes] = []
        total = 0
        while True:
            final, opcode, data = self._frame()
            if opcode == PING:
                self.send(data, PONG)
            elif opcode == CLOSE:
                self.send(data[:2], CLOSE)
                return None
            elif opcode != PONG:
                total += len(data)
                if (opcode == 0) != bool(parts):  # goes on with nothing, or begins inside another message
                    raise RefusedError(1002)
                if total > MESSAGE_BYTES:
                    raise RefusedError(1009)
                parts.append(data)
                if final:
                    return b"".join(parts)

    def _frame(self) -> tuple[bool, int, bytes]:
        first, second = self._exactly(2)
        final, opcode, size = bool(first & 128), first & 15, second & 127
        bad_control = opcode >= CLOSE and (not final or size > 125)
        if first & 112 or not second & 128 or opcode not in (0, 1, 2, CLOSE, PING, PONG) or bad_control:
            raise RefusedError(1002)
        if size > 125:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8), "big")
        if size > MESSAGE_BYTES:
            raise RefusedError(1009)
        mask, data = self._exactly(4), self._exactly(size)
        pad = (mask * (size // 4 + 1))[:size]  # one xor of two big numbers: the quick way without a library
        return final, opcode, (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")

    def _exactly(self, size: int) -> bytes:
        data = self.source.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def close(self, code: int = 1000) -> None:
        with contextlib.suppress(OSError):
            self.send(struct.pack("!H", code), CLOSE)
        self.closed = True


class Events:
    """The events of the run: each once, in order, in batches. A slow API holds the emitters back."""

    def __init__(self, api: Upstream, say: Callable[[str], None]) -> None:
        self.api, self.say, self.change = api, say, threading.Condition()
        self.queue: collections.deque[bytes] = collections.deque()
        self.seen: collections.OrderedDict[str, None] = collections.OrderedDict()
        self.size, self.sending = 0, 0
        self.urgent = self.refused = False
        threading.Thread(target=self._pump, daemon=True).start()

    def put(self, message: bytes) -> None:
        """Raises ValueError, KeyError or TypeError for what is no event."""
        key = str(json.loads(message)["id"])
        with self.change:
            if key in self.seen:  # after a reconnect the client sends again what it takes for lost
                return
            self.seen[key] = None
            if len(self.seen) > SEEN_EVENTS:
                self.seen.popitem(last=False)
            self.change.wait_for(lambda: self.size < EVENT_QUEUE_BYTES or self.refused)
            if not self.refused:
                self.queue.append(message)
                self.size += len(message)
                self.change.notify_all()

    def _pump(self) -> None:
        while True:
            with self.change:
                self.change.wait_for(lambda: bool(self.queue))
                self.change.wait_for(lambda: self.urgent or len(self.queue) >= BATCH_EVENTS, EVENT_LINGER)
                batch: list[bytes] = []
                total = 0
                while self.queue and len(batch) < BATCH_EVENTS and total < EVENT_BATCH_BYTES:
                    batch.append(self.queue.popleft())
                    total += len(batch[-1])
                self.sending = len(batch)
            self._send(batch)
            with self.change:
                self.size -= total
                self.sending = 0
                self.change.notify_all()

    def _send(self, batch: list[bytes]) -> None:
        """Until the API has them or does not want them; one that it does not want must not take others along."""
        status, answer = self._post(batch)
        if status in NOT_TAKEN and not self.refused:
            self.refused = True
            self.say(f"the API takes no events ({status}): they are dropped")
        elif status >= 400 and not self.refused:
            if len(batch) > 1:
                for one in batch:
                    self._send([one])
            else:
                self.say(f"an event was refused ({status}): {answer[:300].decode('utf-8', 'replace')}")

    def _post(self, batch: list[bytes]) -> tuple[int, bytes]:
        body, pause = b"[" + b",".join(batch) + b"]", 0.5
        while not self.refused:
            try:
                status, _, answer = self.api.call("POST", "/events", body, {"Content-Type": "application/json"})
                return status, answer
            except ConnectionError as error:
                if pause == 0.5:
                    self.say(f"the events wait: {error}")
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
        return 404, b""

    def flush(self, seconds: float) -> bool:
        """From now on nothing waits for fuller batches. False: some are still unsent after `seconds`."""
        with self.change:
            self.urgent = True
            self.change.notify_all()
            return self.change.wait_for(lambda: not self.queue and not self.sending, seconds)


class Listeners:
    """Who wants to hear what happens to runs. Whoever comes late hears what was said before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.sockets: dict[WebSocket, Mapping[str, Any]] = {}
        self.said: dict[str, dict[str, Any]] = {}

    def add(self, listener: WebSocket, wanted: Mapping[str, Any]) -> None:
        """`wanted`: the event part of a filter: `name` and `prefix`, both lists."""
        with self.lock:
            self.sockets[listener] = wanted
            past = list(self.said.values())
        for event in past:
            self._tell(listener, wanted, event)

    def remove(self, listener: WebSocket) -> None:
        with self.lock:
            self.sockets.pop(listener, None)

    def announce(self, flow_run: str, name: str, state: Mapping[str, Any]) -> None:
        """Once for each state. Prefect compares the event's id and time with the state's, so they must be the same."""
        event = {
            "id": state["id"],
            "event": f"prefect.flow-run.{name}",
            "occurred": state["timestamp"],
            "received": state["timestamp"],
            "resource": {"prefect.resource.id": f"prefect.flow-run.{flow_run}"},
            "related": [],
            "payload": {},
        }
        with self.lock:
            if state["id"] in self.said:
                return
            self.said[state["id"]] = event
            sockets = dict(self.sockets)
        for listener, wanted in sockets.items():
            self._tell(listener, wanted, event)

    def _tell(self, listener: WebSocket, wanted: Mapping[str, Any], event: dict[str, Any]) -> None:
        names, prefixes = wanted.get("name") or [], tuple(wanted.get("prefix") or [])
        if event["event"] in names or event["event"].startswith(prefixes) or not (names or prefixes):
            with contextlib.suppress(OSError):
                listener.send(json.dumps({"type": "event", "event": event}).encode())


class Relay(ThreadingHTTPServer):
    """The child's API. Other users of the machine and sidecars reach loopback too, so its path has a random part."""

    daemon_threads, request_queue_size = True, 64

    def __init__(self, api: Upstream, base: str, say: Callable[[str], None]) -> None:
        """`base`: the path of the API's URL."""
        super().__init__(("127.0.0.1", 0), RelayHandler)
        self.api, self.base, self.say = api, base, say
        self.events, self.listeners = Events(api, say), Listeners()
        self.prefix = f"/{secrets.token_urlsafe(12)}/api"
        self.url = f"http://127.0.0.1:{self.server_address[1]}{self.prefix}"
        self.version: tuple[int, list[tuple[str, str]], bytes] | None = None
        self.given_up = False
        self.crash: dict[str, Any] = {}
        """What a Crashed state is turned into: who stopped the engine knows better why than the engine."""
        self.change, self.open = threading.Condition(), 0
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def close(self, seconds: float) -> bool:
        """Read every websocket to its end, send the events. False: some were lost, as `seconds` were over."""
        deadline = time.monotonic() + seconds
        with self.change:  # a child that is gone may have left its last events in the socket's buffer
            self.change.wait_for(lambda: not self.open, min(5.0, seconds))
        return self.events.flush(max(0.1, deadline - time.monotonic()))

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the child hung up


class RelayHandler(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    server: Relay

    def log_message(self, *_: Any) -> None:
        pass

    def relay(self) -> None:
        relay = self.server
        if not self.path.startswith(relay.prefix + "/"):
            self._answer(404, [("Connection", "close")], b'{"detail": "Not Found"}')
            return
        path = self.path[len(relay.prefix) :]
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self._websocket(path.partition("?")[0])
            return
        body = self._body()
        if relay.given_up:  # the run may belong to another attempt by now
            self._answer(403, [], b'{"detail": "This attempt was given up"}')
        elif path.startswith("/csrf-token"):  # 404: the client asks no more; our API has none
            self._answer(404, [], b'{"detail": "CSRF protection is disabled."}')
        elif path == "/admin/version" and relay.version:  # every process of the run asks, some twice
            self._answer(*relay.version)
        else:
            answer = self._forward(path, body)
            if path == "/admin/version" and answer[0] == 200:
                relay.version = answer
            self._answer(*answer)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = relay  # noqa: N815

    def _forward(self, path: str, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
        if self.server.crash and path.endswith("/set_state"):
            body = self._with_reason(body)
        try:
            status, back, answer = self.server.api.call(self.command, path, body or None, headers, FORWARD_PATIENCE)
        except ConnectionError as error:
            self.server.say(str(error))
            return 503, [("Retry-After", "2")], json.dumps({"detail": str(error)}).encode()
        kept = [(name, value) for name, value in back if name.lower() not in NOT_FORWARDED | {"location"}]
        kept += [("Location", self._location(value)) for name, value in back if name.lower() == "location"]
        return 503 if status in UNAVAILABLE else status, kept, answer

    def _location(self, target: str) -> str:
        """A redirection within the API must come back to us."""
        parts, base = urllib.parse.urlsplit(target), self.server.base
        if not parts.path.startswith(base + "/"):
            return target
        return self.server.prefix + parts.path[len(base) :] + (f"?{parts.query}" if parts.query else "")

    def _with_reason(self, body: bytes) -> bytes:
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            order = json.loads(body)
            if order["state"]["type"] == "CRASHED":
                order["state"].update(self.server.crash)
                return json.dumps(order).encode()
        return body

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts: list[bytes] = []
        while True:
            size = int(self.rfile.readline().partition(b";")[0], 16)
            data = self.rfile.read(size + 2)[:-2]
            if not size:
                return b"".join(parts)
            parts.append(data)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """In one piece: in two, the second may wait for the first's acknowledgement."""
        if ("Connection", "close") in headers:
            self.close_connection = True
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if status not in (101, 204, 304):
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        self.wfile.write(head + (b"" if self.command == "HEAD" else body))

    def _websocket(self, path: str) -> None:
        self.close_connection = True
        key = self.headers.get("Sec-WebSocket-Key")
        if path not in ("/events/in", "/events/out") or not key or self.headers.get("Sec-WebSocket-Version") != "13":
            self._answer(404, [("Connection", "close")], b"")  # /logs/out too: only people who watch ask for it
            return
        protocols = re.split(r"\s*,\s*", ",".join(self.headers.get_all("Sec-WebSocket-Protocol", [])).strip())
        accept = base64.b64encode(hashlib.sha1(key.strip().encode() + WEBSOCKET_KEY).digest()).decode()  # noqa: S324
        headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
        if "prefect" in protocols:
            headers.append(("Sec-WebSocket-Protocol", "prefect"))
        self._answer(101, headers, b"")
        relay, opened = self.server, WebSocket(self.rfile, self.connection)
        with relay.change:
            relay.open += 1
        try:
            if "prefect" in protocols and not self._greet(opened):  # older clients greet nobody
                return
            if path == "/events/in":
                self._take_events(opened)
            else:
                self._listen(opened)
        except OSError:
            opened.closed = True
        finally:
            relay.listeners.remove(opened)
            with relay.change:
                relay.open -= 1
                relay.change.notify_all()

    def _greet(self, opened: WebSocket) -> bool:
        if _type_of(opened.receive()) != "auth":  # whatever its token: the path is the secret here
            opened.close(1008)
            return False
        opened.send(b'{"type": "auth_success"}')
        return True

    def _take_events(self, opened: WebSocket) -> None:
        while True:
            message = opened.receive()
            if message is None:
                return
            try:
                self.server.events.put(message)
            except UnicodeDecodeError:
                opened.close(1007)
                return
            except (ValueError, KeyError, TypeError):
                opened.close(1003)
                return

    def _listen(self, opened: WebSocket) -> None:
        message = opened.receive()
        if message is None or _type_of(message) != "filter":
            opened.close(1002)
            return
        wanted = (json.loads(message).get("filter") or {}).get("event") or {}
        self.server.listeners.add(opened, wanted)
        while opened.receive() is not None:
            pass


def _type_of(message: bytes | None) -> str | None:
    """The `type` of a frame; None where it is none of Prefect's frames."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        found = json.loads(message or b"null").get("type")
        return found if isinstance(found, str) else None
    return None
