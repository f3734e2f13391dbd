"""Artifacts over HTTP: by id, by filter, and the newest of each key."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from skylift.ids import RUN_TOKEN_PREFIX, new_id, new_token, token_hash
from skylift.models.artifacts import ArtifactCreate
from skylift.store import artifacts, attempts
from tests.api.making import Api, attempt_id_of, ok, refused


def make(api: Api, key: str | None = "report", **body: Any) -> dict[str, Any]:
    body = {"key": key, "type": "markdown", "data": "# Hello"} | body
    made: dict[str, Any] = ok(api.http.post("artifacts/", json=body), 201)
    api.place.clock.advance(1)
    return made


def ids(api: Api, path: str = "artifacts/filter", **body: Any) -> list[str]:
    return [each["id"] for each in ok(api.http.post(path, json=body))]


def test_the_newest_of_each_key(api: Api) -> None:
    first = make(api, data={"progress": 1.0}, type="progress")
    other = make(api, "other", description="another")
    second = make(api, metadata_={"a": "b"})
    nameless = make(api, None, type="link")
    assert ids(api) == [nameless["id"], second["id"], other["id"], first["id"]]
    assert ids(api, sort="KEY_ASC", limit=3) == [other["id"], first["id"], second["id"]]
    latest = ok(api.http.post("artifacts/latest/filter", json={"sort": "KEY_ASC", "limit": 100}))
    assert [(each["key"], each["latest_id"]) for each in latest] == [("other", other["id"]), ("report", second["id"])]
    newest = ok(api.http.get("artifacts/report/latest"))
    assert newest.items() >= {"latest_id": second["id"], "data": "# Hello", "metadata_": {"a": "b"}}.items()
    of_type: dict[str, Any] = {"artifacts": {"type": {"any_": ["progress"]}}}
    assert ok(api.http.post("artifacts/latest/filter", json=of_type)) == [], "the newest has another type"
    assert ids(api, **of_type) == [first["id"]]
    ok(api.http.delete(f"artifacts/{second['id']}"), 204)
    again = ok(api.http.get("artifacts/report/latest"))
    assert again.items() >= {"latest_id": first["id"], "type": "progress", "id": newest["id"]}.items()
    ok(api.http.delete(f"artifacts/{first['id']}"), 204)
    refused(api.http.get("artifacts/report/latest"), 404, "'report'")
    assert [ok(api.http.post(f"artifacts/{path}", json={})) for path in ("count", "latest/count")] == [2, 1]


def test_of_those_made_at_once_one_is_the_newest(api: Api) -> None:
    store = api.place.store
    with ThreadPoolExecutor(8) as threads:
        wanted = ArtifactCreate(key="same", data=1)
        made = [threads.submit(store.transaction, artifacts.create, wanted) for _ in range(8)]
    found = ok(api.http.get("artifacts/same/latest"))
    assert UUID(found["latest_id"]) in {each.result().id for each in made}
    for each in made:
        ok(api.http.delete(f"artifacts/{each.result().id}"), 204)
    refused(api.http.get("artifacts/same/latest"), 404)


class TestOnSqlite:
    """What does not depend on the database."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_read_changed_refused(self, api: Api) -> None:
        made = make(api, data=[1, {"a": None}], description="d")
        path = f"artifacts/{made['id']}"
        ok(api.http.patch(path, json={"data": 3, "description": None}), 204)
        read = ok(api.http.get(path))
        assert read.items() >= {"data": 3, "description": None, "type": "markdown", "key": "report"}.items()
        assert read["updated"] > read["created"]
        assert ok(api.http.get("artifacts/report/latest"))["data"] == 3
        nobody = f"artifacts/{new_id()}"
        for answer in (api.http.get(nobody), api.http.patch(nobody, json={"data": 1}), api.http.delete(nobody)):
            refused(answer, 404, nobody.partition("/")[2])
        refused(api.http.post("artifacts/", json={"data": "x" * (8 * 1024 * 1024)}), 422, "characters")
        wrongs: list[dict[str, Any]] = [{"key": ""}, {"flow_run_id": "x"}, {"metadata_": []}]
        for wrong in wrongs:
            assert api.http.post("artifacts/", json=wrong).status_code == 422
        refused(api.http.post("artifacts/filter", json={"artifacts": {"colour": {"any_": []}}}), 422, "colour")

    def test_filters(self, api: Api) -> None:
        api.pool()
        deployment = api.deployment()
        run = api.run(deployment["id"], tags=["t"])["id"]
        task = str(new_id())
        mine = make(api, "my-report", flow_run_id=run, task_run_id=task)["id"]
        other = make(api, "other_report", type="table")["id"]
        nameless = make(api, None)["id"]
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({"artifacts": {"id": {"any_": [other]}}}, [other]),
            ({"artifacts": {"key": {"any_": ["my-report"]}}}, [mine]),
            ({"artifacts": {"key": {"like_": "report"}}}, [other, mine]),
            ({"artifacts": {"key": {"exists_": False}}}, [nameless]),
            ({"artifacts": {"key": {"exists_": True}, "type": {"not_any_": ["table"]}}}, [mine]),
            ({"artifacts": {"flow_run_id": {"any_": [run]}}}, [mine]),
            ({"artifacts": {"task_run_id": {"any_": [task]}}}, [mine]),
            ({"flow_runs": {"tags": {"all_": ["t"]}}}, [mine]),
            ({"flows": {"name": {"any_": ["flow"]}}}, [mine]),
            ({"deployments": {"name": {"any_": ["none"]}}}, []),
            ({"artifacts": None, "flow_runs": None, "task_runs": None, "limit": None, "offset": 1}, [other, mine]),
        ]
        for body, expected in cases:
            assert ids(api, **body) == expected, body
        latest = {"artifacts": {"latest_id": {"any_": [mine]}}, "flows": {"name": {"any_": ["flow"]}}}
        assert [each["latest_id"] for each in ok(api.http.post("artifacts/latest/filter", json=latest))] == [mine]
        assert ok(api.http.post("artifacts/latest/count", json=latest)) == 1

    def test_a_run_makes_and_changes_its_own_only(self, api: Api) -> None:
        api.pool()
        deployment = api.deployment()
        run, other = (api.run(deployment["id"])["id"] for _ in range(2))
        token = RUN_TOKEN_PREFIX + new_token()
        container = next(each for each in api.launch() if str(each.launch.flow_run_id) == run)
        api.place.store.transaction(attempts.change, attempt_id_of(container), token_hash=token_hash(token))
        theirs = make(api, flow_run_id=other)["id"]
        api.http.headers["Authorization"] = f"Bearer {token}"
        mine = make(api, flow_run_id=run)["id"]
        for foreign in ({"flow_run_id": other}, {}):
            refused(api.http.post("artifacts/", json={"key": "x"} | foreign), 403)
        ok(api.http.patch(f"artifacts/{mine}", json={"data": 1}), 204)
        refused(api.http.patch(f"artifacts/{theirs}", json={"data": 1}), 403)
        refused(api.http.delete(f"artifacts/{theirs}"), 403)
        ok(api.http.delete(f"artifacts/{mine}"), 204)
        assert ids(api) == []
        slots = {"names": ["db"], "slots": 1}
        ok(api.http.post("v2/concurrency_limits/increment-with-lease", json=slots))
        refused(api.http.post("v2/concurrency_limits/", json={"name": "db", "limit": 1}), 403)
        refused(api.http.patch("v2/concurrency_limits/db", json={"limit": 9}), 403)
