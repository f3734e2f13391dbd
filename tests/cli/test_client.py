"""How commands reach the API, and what they say when they do not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from skylift.api.app import create_app
from skylift.cli.client import Api, ApiError, _InProcess
from skylift.cli.embedded import parts
from tests.cli.conftest import Skylift


def test_nobody_answers(skylift: Skylift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYLIFT_API_URL", "http://127.0.0.1:1/api")
    said = skylift.error("work-pool", "ls")
    assert "No Skylift answers at http://127.0.0.1:1/api" in said
    assert "`skylift serve`" in said


def test_the_first_url_that_is_set_counts(skylift: Skylift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:2/api/")
    assert "http://127.0.0.1:2/api:" in skylift.error("work-pool", "ls")
    monkeypatch.setenv("SKYLIFT_API_URL", "http://127.0.0.1:1/api")
    assert "127.0.0.1:1" in skylift.error("work-pool", "ls")
    assert skylift.json("version")["api"] == "http://127.0.0.1:1/api"
    monkeypatch.setenv("SKYLIFT_API_URL", "localhost:4200")
    assert "must begin with http" in skylift.error("work-pool", "ls")


class Page(BaseHTTPRequestHandler):
    """A web server that is no Skylift."""

    def do_POST(self) -> None:
        status = 502 if "flows" in self.path else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"<html>Hello</html>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
        return


@pytest.fixture
def stranger() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_something_else_answers(skylift: Skylift, stranger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYLIFT_API_URL", stranger)
    assert "does the URL end in /api?" in skylift.error("work-pool", "ls")
    assert "status 502" in skylift.error("flow", "ls")


def test_a_wrong_key_is_refused_and_the_embedded_use_needs_none(
    skylift: Skylift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLIFT_API_KEY", "hunter2-is-the-right-one")
    assert skylift.json("flow", "ls") == []
    with parts() as embedded, httpx.Client(transport=_InProcess(create_app(embedded))) as http:
        with pytest.raises(ApiError, match="SKYLIFT_API_KEY") as refused:
            Api(http, "http://test/api", embedded=False).get("/work_pools/x")
        assert refused.value.status == 401
        http.headers["Authorization"] = "Bearer hunter2-is-the-right-one"
        with pytest.raises(ApiError, match="'x' not found"):
            Api(http, "http://test/api", embedded=False).get("/work_pools/x")


def test_pages_are_joined(skylift: Skylift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skylift.cli.client.PAGE", 3)
    with parts() as embedded, httpx.Client(transport=_InProcess(create_app(embedded))) as http:
        api = Api(http, "http://test/api", embedded=True)
        for number in range(8):
            api.post("/variables/", {"name": f"v{number:03}", "value": number})
        assert [each["value"] for each in api.every("/variables/filter")] == list(range(8))
        assert len(api.every("/variables/filter", limit=7)) == 7


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SKYLIFT_DATABASE_URL", "sqlite:////nowhere/at/all.db", "SKYLIFT_DATABASE_URL"),
        ("SKYLIFT_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/x", "SKYLIFT_DATABASE_URL"),
        ("SKYLIFT_DATABASE_URL", "not a url hunter2", "SKYLIFT_DATABASE_URL"),
        ("SKYLIFT_CATCHUP", "hunter2", "SKYLIFT_CATCHUP"),
    ],
)
def test_settings_that_are_wrong_are_named_without_secrets(
    skylift: Skylift, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    said = skylift.error("work-pool", "ls")
    assert says in said
    assert "hunter2" not in said
    assert len(said.splitlines()) == 1


def test_serving_says_what_is_in_its_way(skylift: Skylift, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in skylift.error("serve", "--port", str(port))
    monkeypatch.setenv("SKYLIFT_DATABASE_URL", "no url")
    for command in ("serve", "version"):
        assert "SKYLIFT_DATABASE_URL" in skylift.error(command)


def test_variables(skylift: Skylift) -> None:
    skylift("variable", "set", "limits", '{"cpu": 2}')
    assert json.loads(skylift("variable", "get", "limits").stdout) == {"cpu": 2}
    assert "already exists" in skylift.error("variable", "set", "limits", "3")
    skylift("variable", "set", "limits", "three", "--overwrite", "--tag", "t")
    assert skylift("variable", "get", "limits").stdout == "three\n"
    assert skylift.json("variable", "ls")[0]["tags"] == ["t"]
    assert "limits" in skylift("variable", "ls").stdout
    skylift("variable", "unset", "limits", "--yes")
    assert "limits" in skylift.error("variable", "get", "limits")


def test_secrets_of_blocks_are_in_no_output(skylift: Skylift, tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    file.write_text(json.dumps({"aws_access_key_id": "AKIA1", "aws_secret_access_key": "hunter2"}))
    create = ["block", "create", "--type-slug", "aws-credentials", "--name", "main", "--data"]
    shown = [
        skylift(*create, f"@{file}", "-o", "json").stdout,
        skylift("block", "inspect", "aws-credentials/main").stdout,
        skylift("block", "inspect", "aws-credentials/main", "-o", "json").stdout,
        skylift("block", "ls", "-o", "json").stdout,
        skylift.error(*create, '{"aws_secret_access_key": "hunter2"', code=2),
        skylift.error(*create, '"hunter2"', code=2),
        skylift.error(*create, f"@{file}"),
    ]
    assert not any("hunter2" in each for each in shown)
    assert "AKIA1" in shown[1]
    assert "aws-credentials/main" in skylift("block", "ls").stdout
    assert "aws_secret_access_key" in skylift("block", "type", "inspect", "aws-credentials").stdout
    skylift("block", "delete", "aws-credentials/main", "--yes")
    assert skylift.json("block", "ls") == []
    assert "TYPE-SLUG/NAME" in skylift.error("block", "inspect", "main", code=2)
