"""Errors keep the dialect's shapes, and keep secrets to themselves."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from psycopg.errors import ProgramLimitExceeded
from sqlalchemy.exc import OperationalError

from skylift import errors, provider
from skylift.api import scopes
from skylift.security.sealing import SealError
from skylift.store.engine import StoreBusyError


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One database is enough: none of this is about them."""
    return sqlite_url


def _raising(app: FastAPI, error: Exception) -> None:
    @app.get("/api/test", dependencies=[scopes.OPEN])
    def fail() -> None:
        raise error


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (errors.NotFoundError, 404),
        (errors.ConflictError, 409),
        (errors.ForbiddenError, 403),
        (errors.GoneError, 410),
        (errors.MissingExtraError, 501),
        (SealError, 500),
        (lambda: errors.InvalidError("no", field="a.b"), 422),
        (StoreBusyError, 503),
        (lambda: provider.Throttled("slow", retry_after=17.2), 503),
        (lambda: provider.Unreachable("gone", remedy="look"), 502),
        (lambda: provider.Rejected("bad", remedy="change it"), 422),
        (errors.SkyliftError, 500),
    ],
)
def test_families_have_statuses(
    app: FastAPI, client: TestClient, make: Callable[[], errors.SkyliftError], status: int
) -> None:
    error = make()
    _raising(app, error)
    answer = client.get("test")
    assert answer.status_code == status
    assert answer.json()["detail"] == str(error)
    if status == 503:
        assert int(answer.headers["Retry-After"]) == (17 if isinstance(error, provider.Throttled) else 1)
    if isinstance(error, provider.ProviderError) and error.remedy:
        assert answer.json()["remedy"] == error.remedy
    if isinstance(error, errors.InvalidError):
        assert answer.json()["exception_message"] == "Invalid request received."
        assert answer.json()["exception_detail"][0]["loc"] == ["body", "a", "b"]


def test_faults_of_ours_say_nothing_of_the_inside(
    app: FastAPI, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    _raising(app, RuntimeError("hunter2"))
    with caplog.at_level(logging.ERROR):
        answer = client.get("test")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert answer.json()["exception_message"] == "Internal Server Error"


def test_a_database_that_is_away_is_worth_another_try(app: FastAPI, client: TestClient) -> None:
    _raising(app, OperationalError("SELECT 1", {"password": "hunter2"}, Exception("refused")))
    answer = client.get("test")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "hunter2" not in answer.text


def test_what_is_more_than_the_database_takes_is_refused_for_good(app: FastAPI, client: TestClient) -> None:
    _raising(app, OperationalError("INSERT", {"name": "hunter2"}, ProgramLimitExceeded("key size too large: hunter2")))
    answer = client.get("test")
    assert answer.status_code == 413
    assert "hunter2" not in answer.text


def test_requests_that_do_not_fit_are_answered_without_their_inputs(client: TestClient) -> None:
    secret = "hunter2"
    answer = client.post(
        "block_documents/", json={"data": secret, "block_schema_id": "1", "block_type_id": [secret], "name": 3}
    )
    assert answer.status_code == 422
    body = answer.json()
    assert body["exception_message"] == "Invalid request received."
    assert body["request_body"] is None
    assert ["body", "data"] in [each["loc"] for each in body["exception_detail"]]
    assert secret not in answer.text
    assert client.post("flows/", content=b"{").status_code == 422
    assert client.get("flows/no-uuid").status_code == 404
    assert client.get("nothing/here").json() == {"detail": "Not Found"}


def test_an_unknown_filter_is_named(client: TestClient) -> None:
    answer = client.post("flows/filter", json={"flows": {"nmae": {"any_": ["x"]}}})
    assert answer.status_code == 422
    assert "flows.nmae" in answer.json()["detail"]
    too_many = client.post("flows/filter", json={"limit": 201})
    assert too_many.status_code == 422
    assert "must be less than or equal to 200." in too_many.text


@pytest.mark.parametrize("path", ["flows/undefined", "flow_runs/x/graph-v2", "block_documents/1", "ui/task_runs/é"])
def test_what_is_no_id_is_nothings_id(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "UUID" in answer.json()["detail"]
    assert "undefined" not in answer.text
