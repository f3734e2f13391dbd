"""Requests that no HTTP library sends, to a server as `skylift serve` runs it."""

from __future__ import annotations

import gzip
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.making import Api
from tests.support.service import How, Serving, serving

FLOW = b'{"name": "smuggled"}'
PATIENCE = 10.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("home"), How.PLAIN) as ready:
        yield ready


def _statuses(service: Serving, request: bytes) -> list[bytes]:
    """The status of each answer until the server has no more to say."""
    where = urlsplit(service.url)
    with socket.create_connection((where.hostname, where.port), PATIENCE) as sock:
        sock.sendall(request)
        told = b""
        while part := sock.recv(65536):
            told += part
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", told)


def _post(*headers: bytes, body: bytes = b"") -> bytes:
    head = [b"POST /api/flows/ HTTP/1.1", b"Host: 127.0.0.1", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*head, b"", body])


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(FLOW), FLOW)
HIDDEN = _post(b"Content-Length: %d" % len(FLOW), body=FLOW)
SMUGGLED = {
    "two lengths": _post(b"Content-Length: 0", b"Content-Length: %d" % len(HIDDEN), body=HIDDEN),
    "length and chunks": _post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "chunks that are not last": _post(b"Transfer-Encoding: chunked, identity", body=CHUNKED),
    "chunks by another name": _post(b"Transfer-Encoding: xchunked", body=CHUNKED),
    "a space before the colon": _post(b"Content-Length : 0", body=HIDDEN),
    "a folded header": _post(b"X: 1", b" Content-Length: 9", body=HIDDEN),
    "a signed length": _post(b"Content-Length: +0", body=HIDDEN),
    "a chunk's size with a sign": _post(b"Transfer-Encoding: chunked", body=b"-0\r\n\r\n" + HIDDEN),
    "a null in a header": _post(b"X: a\0b", b"Content-Length: 0"),
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_a_request_whose_end_is_in_doubt_is_refused_with_all_that_follows(service: Serving, name: str) -> None:
    assert _statuses(service, SMUGGLED[name]) == [b"400"]
    assert httpx.get(f"{service.url}/flows/name/smuggled").status_code == 404


def test_what_is_in_no_doubt_is_answered(service: Serving) -> None:
    plain = FLOW.replace(b"smuggled", b"plain")
    first = _post(b"Content-Length: %d" % len(plain), body=plain)
    second = _post(
        b"Connection: close", b"Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(plain), plain)
    )
    assert _statuses(service, first + second) == [b"201", b"200"]


def test_bodies_are_not_unpacked(shared: Api) -> None:
    """So none can be larger inside than it is."""
    bomb = gzip.compress(b'{"name": "' + b"x" * 10_000_000 + b'"}')
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert shared.http.post("flows/", content=bomb, headers=headers).status_code == 422


@pytest.mark.parametrize("frame", ["[" * 100_000, '{"type":' * 5_000, "9" * 100_000, "\0"])
def test_frames_that_are_deep_or_odd_close_their_websocket(shared: Api, frame: str) -> None:
    with shared.http.websocket_connect("ws://skylift/api/events/out", subprotocols=["prefect"]) as opened:
        opened.send_text(frame)
        assert opened.receive()["type"] == "websocket.close"
