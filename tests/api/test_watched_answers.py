"""What looks at the answers of services in tests: it sees what is wrong, and calls the API as function platforms do."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from skylift.api import create_app
from tests.support.answers import PerRequest, Report, Watched, shape, thinned
from tests.support.installation import Installation

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette would rather have another HTTP library
    from fastapi.testclient import TestClient
    from starlette.websockets import WebSocketDisconnect


def test_shapes() -> None:
    a, b = ({"id": f"{n}2345678-1234-1234-1234-123456789abc", "state": {"type": "RUNNING"}, "n": n} for n in (1, 2))
    assert shape(a) == shape(b) != shape({**b, "state": {"type": "OTHER"}})
    assert shape("2026-01-01T00:00:00Z") != shape("yesterday") != shape("") != shape(None)
    assert thinned({"a": [a, b, {**b, "n": None}]}) == {"a": [b, {**b, "n": None}]}


def test_what_does_not_fit_is_noticed(sqlite_url: str) -> None:
    place, report = Installation(sqlite_url), Report()
    app = create_app(place.parts)

    async def spoiled(scope: Any, receive: Any, send: Any) -> None:
        async def spoil(message: Any) -> None:
            if "body" in message:
                body = message["body"].replace(b'"tags":[]', b'"tags":{}')
                await send(message | {"body": body})
            else:
                await send(message)

        await app(scope, receive, spoil)

    with TestClient(Watched(spoiled, report), base_url="http://skylift/api/") as http:
        assert http.post("flows/", json={"name": "a"}).status_code == 201
        assert http.post("flows/", json={"name": "b", "tags": ["t"]}).status_code == 201
        assert http.get("flows/nothing").status_code == 404
        assert http.get("flows/name/a").status_code == 200
    place.close()
    found = json.loads(report.as_json())
    assert found["operations"] == {"POST /flows/": 2, "GET /flows/name/{name}": 1}
    assert len(found["wrong"]) == 2
    assert found["wrong"][0].startswith("POST /flows/: $.tags: {} is not of type 'array'")


def test_per_request(sqlite_url: str) -> None:
    place, report = Installation(sqlite_url), Report()
    app = Watched(PerRequest(create_app(place.parts)), report)
    http = TestClient(app, base_url="http://skylift/api/")  # not entered: nothing starts it
    assert http.post("flows/", json={"name": "a"}).status_code == 201
    with pytest.raises(WebSocketDisconnect), http.websocket_connect("/api/events/out"):
        pass
    place.close()
    assert report.websockets == {"/api/events/out": 1}
