"""Other sites' pages in a browser of a machine where Skylift is served without keys."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from tests.api.making import Api, ok, refused

EVIL = {"Origin": "https://evil.example"}


@pytest.mark.parametrize(
    "headers",
    [
        EVIL,
        EVIL | {"Content-Type": "text/plain"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://[::1"},
        {"Origin": ""},
        {"Host": "evil.example"},
        {"Host": "evil.example:4200", "Origin": "http://evil.example:4200"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_what_another_sites_page_sends_is_refused(shared: Api, headers: dict[str, str]) -> None:
    """A request without a body needs no leave of ours: browsers send it."""
    shared.flow("victim")
    refused(shared.http.post("flows/bulk_delete", headers=headers), 403, "Without an API key")
    refused(shared.http.get("flows/name/victim", headers=headers), 403)
    ok(shared.http.get("flows/name/victim"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "127.0.0.1:4200", "Origin": "http://127.0.0.1:4200"},
        {"Host": "[::1]:4200", "Origin": "http://[::1]:4200"},
        {"Host": "localhost:4200", "Origin": "http://localhost:5173"},
        {"Host": "192.0.2.7:4200", "Origin": "http://192.0.2.7:4200"},
        {"Host": "skylift:4200", "Origin": "http://skylift:4200"},
    ],
)
def test_our_own_pages_and_programs_are_served(shared: Api, headers: dict[str, str]) -> None:
    ok(shared.http.post("flows/bulk_delete", headers=headers))


def test_the_name_that_the_service_is_known_by_is_its_own(api: Api) -> None:
    known = api.place.parts.settings.model_copy(update={"api_url": "https://flows.example.com/api"})
    object.__setattr__(api.place.parts, "settings", known)
    ok(api.http.post("flows/bulk_delete", headers={"Host": "flows.example.com"}))
    refused(api.http.post("flows/bulk_delete", headers={"Host": "evil.example"}), 403)


def test_whoever_shows_a_key_may_come_from_anywhere(api: Api) -> None:
    key = ok(api.http.post("api_keys/", json={"name": "k", "role": "admin"}), 201)["key"]
    ok(api.http.post("flows/bulk_delete", headers=EVIL | {"Authorization": f"Bearer {key}"}))
    refused(api.http.post("flows/bulk_delete", headers=EVIL), 401)


@pytest.mark.parametrize("path", ["events/in", "events/out", "logs/out"])
def test_websockets_of_other_sites_are_closed(shared: Api, path: str) -> None:
    with pytest.raises(WebSocketDisconnect), _opened(shared, path) as socket:
        socket.receive_json()


def test_a_websocket_that_greets_is_told_why(api: Api) -> None:
    with _opened(api, "events/out", "prefect") as socket:
        socket.send_json({"type": "auth", "token": None})
        assert socket.receive_json()["type"] == "auth_failure"


def _opened(api: Api, path: str, *protocols: str) -> Any:
    return api.http.websocket_connect(f"ws://skylift/api/{path}", headers={**EVIL}, subprotocols=protocols)


def test_no_other_site_is_given_leave(api: Api) -> None:
    """No answer has a header of CORS: what an answer says stays hidden from pages, and JSON cannot be sent at all."""
    asked = EVIL | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for answer in (api.http.options("flows/", headers=asked), api.http.get("health", headers=EVIL)):
        assert not [name for name in answer.headers if name.startswith("access-control")]
    answer = api.http.post("flows/", content=b'{"name": "f"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422
