"""A cheap sender of many HTTP requests: it takes little of the machine that it shares with what it measures.

Requests are made beforehand, as bytes. One thread has some connections, each of which sends the next request as soon as
its last is answered; of an answer it reads what it has to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

PATIENCE = 60.0
"""Seconds that the last answers may take."""


def request(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A POST of JSON, as it goes over the wire."""
    parts = urlsplit(url)
    lines = {"Host": parts.netloc, "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {parts.path} HTTP/1.1\r\n{head}\r\n".encode() + body


def post(url: str, requests: Sequence[bytes], *, connections: int, seconds: float, wanted: int) -> list[float]:
    """Seconds that each answer took. Raises `RuntimeError` for an answer of another status than `wanted`, and where the
    requests do not last."""
    return asyncio.run(_post(url, iter(requests), connections, seconds, wanted))


async def _post(url: str, requests: Iterator[bytes], connections: int, seconds: float, wanted: int) -> list[float]:
    parts, loop = urlsplit(url), asyncio.get_running_loop()
    end, took = time.monotonic() + seconds, list[float]()
    senders = [
        (
            await loop.create_connection(
                lambda: _Sender(requests, end, wanted, took), parts.hostname or "", parts.port or 80
            )
        )[1]
        for _ in range(connections)
    ]
    await asyncio.wait_for(asyncio.gather(*(each.over for each in senders)), seconds + PATIENCE)
    return took


class _Sender(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: Iterator[bytes], end: float, wanted: int, took: list[float]) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests, self._end, self._took = requests, end, took
        self._expected = f"HTTP/1.1 {wanted} ".encode()
        self._read, self._began = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, is_whole, body = self._read.partition(b"\r\n\r\n")
        if not is_whole or len(body) < _length(head):
            return
        if not head.startswith(self._expected):
            self._give_up(f"{head[:60]!r} {body[:200]!r}")
            return
        self._took.append(time.monotonic() - self._began)
        self._read = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self._give_up(f"the connection was lost: {error}")

    def _next(self) -> None:
        self._began = time.monotonic()
        request = next(self._requests, None) if self._began < self._end else b""
        if request:
            self._transport.write(request)
        elif request is None:
            self._give_up("there are no requests left: more have to be made beforehand")
        else:
            self.over.set_result(None)
            self._transport.close()

    def _give_up(self, why: str) -> None:
        self.over.set_exception(RuntimeError(why))
        self._transport.abort()


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
