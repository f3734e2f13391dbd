"""The OpenAPI document is one: valid, complete, and true about credentials and refusals."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One database is enough: nothing of this is in it."""
    return sqlite_url


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def test_it_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert [str(each) for each in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_operations_have_names_of_their_own_summaries_and_tags(document: dict[str, Any]) -> None:
    operations = _operations(document)
    ids = [operation["operationId"] for _, operation in operations]
    assert len(ids) == len(set(ids))
    assert [name for name, operation in operations if not operation.get("summary") or not operation.get("tags")] == []


def test_refusals_and_credentials_are_told(document: dict[str, Any]) -> None:
    assert set(document["components"]["securitySchemes"]) == {"Bearer", "Basic"}
    without = set()
    for name, operation in _operations(document):
        assert {"404", "409", "413", "422"} <= set(operation["responses"]), name
        if operation["security"]:
            assert {"401", "403"} <= set(operation["responses"]), name
        else:
            without.add(name)
    assert "GET /api/health" in without
    assert "POST /api/flow_runs/" not in without


def test_it_is_served(client: TestClient, document: dict[str, Any]) -> None:
    assert client.get("openapi.json").json() == document
    assert "/api/openapi.json" in client.get("http://skylift/docs").text


def test_a_refusal_looks_as_told(client: TestClient, document: dict[str, Any]) -> None:
    known = set(document["components"]["schemas"]["Refusal"]["properties"])
    for answer in (client.get("flows/x"), client.post("flows/filter", json={"x": {"y": 1}}), client.get("nothing")):
        assert set(answer.json()) <= known
