"""Block types, schemas and documents: sealed in the store, masked on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from skylift.ids import new_id
from skylift.parts import Parts
from skylift.store import block_catalogue
from skylift.store.block_secrets import MASK
from skylift.store.tables import block_documents

FIELDS: dict[str, Any] = {
    "title": "Thing",
    "type": "object",
    "properties": {"user": {"type": "string"}, "password": {"type": "string", "format": "password"}},
    "block_type_slug": "thing",
    "secret_fields": ["password"],
    "block_schema_references": {},
}


@pytest.fixture
def thing(client: TestClient) -> dict[str, str]:
    """The ids of a block type and its schema, as the body of a document names them."""
    kind = client.post("block_types/", json={"name": "Thing", "slug": "thing"}).json()
    schema = client.post(
        "block_schemas/", json={"block_type_id": kind["id"], "fields": FIELDS, "capabilities": ["lift"]}
    ).json()
    return {"block_type_id": kind["id"], "block_schema_id": schema["id"]}


def _save(client: TestClient, thing: dict[str, str], name: str | None, data: Any, **more: Any) -> dict[str, Any]:
    answer = client.post("block_documents/", json={"name": name, "data": data, **thing, **more})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_types(client: TestClient, thing: dict[str, str]) -> None:
    kind = client.get("block_types/slug/thing").json()
    assert kind["id"] == thing["block_type_id"]
    assert client.post("block_types/", json={"name": "Thing", "slug": "thing"}).status_code == 409
    assert client.post("block_types/", json={"name": "Prefect Thing", "slug": "p"}).status_code == 403
    assert client.patch(f"block_types/{kind['id']}", json={"description": "d"}).status_code == 204
    assert client.get(f"block_types/{kind['id']}").json()["description"] == "d"
    found = client.post("block_types/filter", json={"block_schemas": {"block_capabilities": {"all_": ["lift"]}}})
    assert [each["slug"] for each in found.json()] == ["thing"]
    assert client.get("block_capabilities/").json() == ["lift"]
    _save(client, thing, "one", {})
    assert client.delete(f"block_types/{kind['id']}").status_code == 204
    assert client.get("block_types/slug/thing").status_code == 404
    assert client.post("block_documents/filter").json() == []


def test_schemas_are_found_by_their_checksum(client: TestClient, thing: dict[str, str]) -> None:
    [schema] = client.post(
        "block_schemas/filter", json={"block_schemas": {"block_type_id": {"any_": [thing["block_type_id"]]}}}
    ).json()
    assert schema["fields"] == FIELDS
    assert schema["block_type"]["slug"] == "thing"
    assert client.get(f"block_schemas/checksum/{schema['checksum']}").json() == schema
    assert client.get(f"block_schemas/checksum/{schema['checksum']}?version=non-versioned").json() == schema
    assert client.get(f"block_schemas/checksum/{schema['checksum']}?version=2").status_code == 404
    again = client.post("block_schemas/", json={"block_type_id": thing["block_type_id"], "fields": FIELDS})
    assert (again.status_code, again.json()["id"]) == (200, schema["id"])
    missing = client.post("block_schemas/", json={"block_type_id": str(new_id()), "fields": {}})
    assert missing.status_code == 404
    _save(client, thing, "one", {})
    assert client.delete(f"block_schemas/{schema['id']}").status_code == 409


def test_documents_are_sealed_and_masked(client: TestClient, thing: dict[str, str], parts: Parts) -> None:
    data = {"user": "me", "password": "hunter2"}
    made = _save(client, thing, "one", data)
    masked = {"user": "me", "password": MASK}
    assert made["data"] == masked
    assert made["block_schema"]["block_type"]["slug"] == "thing"
    assert made["block_type_name"] == "Thing"
    by_name = "block_types/slug/thing/block_documents/name/one"
    for path in (f"block_documents/{made['id']}", by_name):
        assert client.get(path).json()["data"] == masked
        assert client.get(path, params={"include_secrets": True}).json()["data"] == data
    assert client.get("block_types/slug/thing/block_documents").json()[0]["data"] == masked
    assert client.post("block_documents/filter", json={}).json()[0]["data"] == masked
    assert client.post("block_documents/filter", json={"include_secrets": True}).json()[0]["data"] == data
    with parts.store.reading() as tx:
        row = tx.one(block_documents.select())
    assert row
    assert "hunter2" not in row.data
    assert client.post("block_documents/", json={"name": "one", "data": {}, **thing}).status_code == 409
    assert client.get("block_types/slug/thing/block_documents/name/two").status_code == 404
    assert client.post("block_documents/", json={"data": {}, **thing}).status_code == 422
    assert client.delete(f"block_documents/{made['id']}").status_code == 204
    assert client.delete(f"block_documents/{made['id']}").status_code == 404


def test_updates_merge_and_a_mask_keeps_the_secret(client: TestClient, thing: dict[str, str]) -> None:
    path = f"block_documents/{_save(client, thing, 'one', {'user': 'me', 'password': 'hunter2'})['id']}"

    def patch(**body: Any) -> Any:
        assert client.patch(path, json=body).status_code == 204
        return client.get(path, params={"include_secrets": True}).json()["data"]

    assert patch(data={"user": "you"}) == {"user": "you", "password": "hunter2"}
    assert patch(data={"user": "we", "password": MASK}) == {"user": "we", "password": "hunter2"}
    assert patch(data={"password": "new"}, merge_existing_data=False) == {"password": "new"}
    other = client.post("block_types/", json={"name": "Other", "slug": "other"}).json()["id"]
    schema = client.post("block_schemas/", json={"block_type_id": other, "fields": {"a": 1}}).json()["id"]
    assert client.patch(path, json={"block_schema_id": schema}).status_code == 422
    assert client.patch(f"block_documents/{new_id()}", json={}).status_code == 404


def test_a_reference_is_read_as_what_it_refers_to(client: TestClient, thing: dict[str, str]) -> None:
    inner = _save(client, thing, "inner", {"password": "hunter2", "user": "me"})
    reference = {"$ref": {"block_document_id": inner["id"]}}
    outer = _save(client, thing, "outer", {"inner": reference, "list": [{"deep": reference}]})
    path = f"block_documents/{outer['id']}"
    read = client.get(path).json()
    hidden = {"password": MASK, "user": "me"}
    assert read["data"] == {"inner": hidden, "list": [{"deep": hidden}]}
    assert read["block_document_references"]["inner"]["block_document"]["name"] == "inner"
    shown = client.get(path, params={"include_secrets": True}).json()["data"]
    assert shown["list"][0]["deep"]["password"] == "hunter2"

    circle = {"data": {"back": {"$ref": {"block_document_id": outer["id"]}}}}
    assert client.patch(f"block_documents/{inner['id']}", json=circle).status_code == 422
    missing = {"a": {"$ref": {"block_document_id": str(new_id())}}}
    assert client.post("block_documents/", json={"name": "x", "data": missing, **thing}).status_code == 422

    assert client.delete(f"block_documents/{inner['id']}").status_code == 204
    assert client.get(path).json()["data"]["inner"] == reference


def test_anonymous_documents_are_listed_only_when_asked_for(client: TestClient, thing: dict[str, str]) -> None:
    _save(client, thing, "named", {})
    for _ in range(2):
        _save(client, thing, None, {}, is_anonymous=True)

    def number(body: dict[str, Any]) -> int:
        listed = client.post("block_documents/filter", json=body).json()
        assert client.post("block_documents/count", json=body).json() == len(listed)
        return len(listed)

    assert number({}) == 1
    assert number({"block_documents": {"name": {"any_": ["named"]}}}) == 1
    assert number({"block_documents": {"is_anonymous": {"eq_": True}}}) == 2
    assert number({"block_documents": {"is_anonymous": None}}) == 3


def test_the_catalogue_is_there_once(client: TestClient, parts: Parts) -> None:
    before = client.post("block_types/filter").json()
    assert {each["slug"] for each in before} == {
        "aws-credentials",
        "azure-container-instance-credentials",
        "gcp-credentials",
        "modal-credentials",
        "secret",
    }
    parts.store.transaction(block_catalogue.ensure_block_types)
    block_catalogue.install(parts.store)
    assert client.post("block_types/filter").json() == before
    assert client.delete(f"block_types/{before[0]['id']}").status_code == 403


@pytest.mark.parametrize(
    ("slug", "data"),
    [
        ("aws-credentials", {"aws_access_key_id": "id", "aws_secret_access_key": "S", "aws_session_token": "S"}),
        ("gcp-credentials", {"project": "p", "service_account_info": {"private_key": "S", "type": "S"}}),
        ("azure-container-instance-credentials", {"tenant_id": "t", "client_secret": "S"}),
        ("modal-credentials", {"token_id": "t", "token_secret": "S"}),
        ("secret", {"value": {"any": ["S"]}}),
    ],
)
def test_the_catalogue_hides_what_is_secret(client: TestClient, slug: str, data: dict[str, Any]) -> None:
    kind = client.get(f"block_types/slug/{slug}").json()["id"]
    query = {"block_schemas": {"block_type_id": {"any_": [kind]}}, "limit": 1}
    schema = client.post("block_schemas/filter", json=query).json()[0]["id"]
    made = _save(client, {"block_type_id": kind, "block_schema_id": schema}, "mine", data)
    assert '"S"' not in str(made["data"]).replace("'", '"')
    assert MASK in str(made["data"])
