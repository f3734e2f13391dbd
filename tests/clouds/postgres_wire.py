"""Messages of PostgreSQL's protocol, version 3: cut out of a stream, read as far as a relay has to, and made.

By the manual's chapter "Frontend/Backend Protocol".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

TLS_WANTED, GSS_WANTED, CANCEL = 80877103, 80877104, 80877102
VERSION = 196608
ASK_FOR_PASSWORD = 3


@dataclass(frozen=True, slots=True)
class Message:
    kind: bytes
    """One letter."""
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.kind + struct.pack("!I", len(self.body) + 4) + self.body


class Stream:
    """Bytes as they come, and the messages in them."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        self._held += data
        at = 0
        while len(self._held) - at >= 5:
            end = at + 1 + struct.unpack_from("!I", self._held, at + 1)[0]
            if len(self._held) < end:
                break
            yield Message(self._held[at : at + 1], self._held[at + 5 : end])
            at = end
        self._held = self._held[at:]


def texts(body: bytes, count: int) -> tuple[list[str], int]:
    """So many texts at the beginning, and where they end."""
    found, at = [], 0
    for _ in range(count):
        end = body.index(b"\0", at)
        found.append(body[at:end].decode())
        at = end + 1
    return found, at


def parse(name: str, statement: str, rest: bytes = b"\0\0") -> Message:
    return Message(b"P", f"{name}\0{statement}\0".encode() + rest)


def query(statement: str) -> Message:
    return Message(b"Q", f"{statement}\0".encode())


def value_lengths(body: bytes, at: int) -> list[int]:
    """Of the parameters of a Bind, whose formats begin at `at`."""
    (formats,) = struct.unpack_from("!H", body, at)
    at += 2 + 2 * formats
    (count,) = struct.unpack_from("!H", body, at)
    at += 2
    lengths = []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4 + max(0, length)
        lengths.append(max(0, length))
    return lengths


def error(code: str, text: str) -> Message:
    fields = {b"S": "ERROR", b"V": "ERROR", b"C": code, b"M": text}
    return Message(b"E", b"".join(key + value.encode() + b"\0" for key, value in fields.items()) + b"\0")


def authentication(kind: int) -> Message:
    return Message(b"R", struct.pack("!I", kind))


def startup(options: dict[str, str]) -> bytes:
    body = b"".join(f"{name}\0{value}\0".encode() for name, value in options.items()) + b"\0"
    return struct.pack("!II", len(body) + 8, VERSION) + body


def startup_options(body: bytes) -> dict[str, str]:
    words = body.rstrip(b"\0").decode().split("\0")
    return dict(zip(words[::2], words[1::2], strict=True))
