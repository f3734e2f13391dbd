"""A websocket client of a few lines, that can also break the rules. Any Python from 3.8 on."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import struct
import urllib.parse
from typing import Any

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Client:
    """Connects at once; `status` is that of the handshake."""

    def __init__(self, url: str, protocol: str | None = "prefect", key: str | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 80), 10)
        key = key or base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: WebSocket",
            "Connection: keep-alive, Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *([f"Sec-WebSocket-Protocol: other, {protocol}"] if protocol else []),
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.source = self.socket.makefile("rb")
        self.status = int(self.source.readline().split()[1])
        self.headers: dict[str, str] = {}
        for line in iter(lambda: self.source.readline().strip(), b""):
            name, _, value = line.decode().partition(": ")
            self.headers[name.lower()] = value
        expected = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        if self.status == 101:
            assert self.headers["sec-websocket-accept"] == base64.b64encode(expected).decode()

    @staticmethod
    def frame(opcode: int, data: bytes = b"", *, final: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
        size, mask, bit = len(data), os.urandom(4), 128 if masked else 0
        head = bytes([(128 if final else 0) | reserved | opcode])
        if size < 126:
            head += bytes([bit | size])
        elif size < 1 << 16:
            head += bytes([bit | 126]) + struct.pack("!H", size)
        else:
            head += bytes([bit | 127]) + struct.pack("!Q", size)
        return head + (mask + bytes(each ^ mask[i % 4] for i, each in enumerate(data)) if masked else data)

    def send(self, opcode: int, data: bytes = b"", **options: Any) -> None:
        self.socket.sendall(self.frame(opcode, data, **options))

    def say(self, value: Any) -> None:
        self.send(TEXT, json.dumps(value).encode())

    def receive(self) -> tuple[int, bytes]:
        first, second = self.source.read(2)
        assert not second & 128, "a server masks nothing"
        size = second & 127
        if size == 126:
            size = struct.unpack("!H", self.source.read(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self.source.read(8))[0]
        return first & 15, self.source.read(size)

    def hear(self) -> Any:
        opcode, data = self.receive()
        assert opcode == TEXT, (opcode, data)
        return json.loads(data)

    def greet(self) -> Client:
        self.say({"type": "auth", "token": None})
        assert self.hear() == {"type": "auth_success"}
        return self

    def listen(self, **wanted: list[str]) -> Client:
        self.greet().say({"type": "filter", "filter": {"event": wanted}})
        return self

    def closed_with(self) -> int:
        opcode, data = self.receive()
        assert opcode == CLOSE, (opcode, data)
        code: int = struct.unpack("!H", data[:2])[0]
        return code

    def leave(self) -> None:
        self.send(CLOSE, struct.pack("!H", 1000))
        assert self.closed_with() == 1000
        self.hang_up()

    def hang_up(self) -> None:
        self.source.close()
        self.socket.close()
