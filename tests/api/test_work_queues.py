"""Work queues over HTTP: by name in their pool, and by id."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.ids import new_id
from tests.api.making import Api, ok, refused


def priorities(api: Api) -> dict[str, int]:
    queues = ok(api.http.post("work_pools/pool/queues/filter", json={"work_queues": None, "limit": None, "offset": 0}))
    found = {each["name"]: each["priority"] for each in queues}
    assert list(found.values()) == sorted(found.values()), "the highest priority comes first"
    return found


def test_a_priority_that_is_taken_shifts_those_below(api: Api) -> None:
    api.pool()
    assert api.queue("a")["priority"] == 2, "none is the lowest number that is free"
    assert api.queue("far", priority=9)["priority"] == 9
    api.queue("b", priority=2)
    assert priorities(api) == {"default": 1, "b": 2, "a": 3, "far": 9}
    first = api.queue("first", priority=1)
    assert priorities(api) == {"first": 1, "default": 2, "b": 3, "a": 4, "far": 9}
    ok(api.http.patch(f"work_queues/{first['id']}", json={"priority": 3}), 204)
    assert priorities(api) == {"default": 2, "first": 3, "b": 4, "a": 5, "far": 9}
    ok(api.http.patch(f"work_queues/{first['id']}", json={"priority": 3}), 204)
    ok(api.http.patch(f"work_queues/{first['id']}", json={"priority": 1}), 204)
    assert priorities(api) == {"first": 1, "default": 2, "b": 4, "a": 5, "far": 9}
    assert api.queue("gap")["priority"] == 3
    ok(api.http.delete(f"work_queues/{first['id']}"), 204)
    assert priorities(api) == {"default": 2, "gap": 3, "b": 4, "a": 5, "far": 9}


def test_a_deleted_queue_hands_over_to_the_default_queue(api: Api) -> None:
    pool = api.pool()
    queue = api.queue("q", concurrency_limit=0)
    deployment = api.deployment(work_queue_name="q")
    run = api.run(deployment["id"])
    assert api.launch() == []
    ok(api.http.delete(f"work_queues/{queue['id']}"), 204)
    refused(api.http.get("work_pools/pool/queues/q"), 404, "'q'")
    for path in (f"deployments/{deployment['id']}", f"flow_runs/{run['id']}"):
        read = ok(api.http.get(path))
        assert (read["work_queue_id"], read["work_queue_name"]) == (pool["default_queue_id"], "default")
    assert len(api.launch()) == 1


class TestOnSqlite:
    """What does not depend on the database."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_shapes_and_refusals(self, api: Api) -> None:
        pool = api.pool()
        made = api.queue("q", description="d", concurrency_limit=2)
        assert (made["work_pool_id"], made["work_pool_name"]) == (pool["id"], "pool")
        assert (made["status"], made["is_paused"], made["concurrency_limit"]) == ("READY", False, 2)
        assert ok(api.http.get("work_pools/pool/queues/q")) == made
        assert ok(api.http.get(f"work_queues/{made['id']}")) == made
        post = api.http.post
        refused(post("work_pools/pool/queues", json={"name": "q"}), 409, "'pool'", "'q'")
        refused(post("work_pools/none/queues", json={"name": "q"}), 404, "'none'")
        refused(api.http.get("work_pools/none/queues/q"), 404, "'none'")
        refused(api.http.get("work_pools/pool/queues/none"), 404, "'pool'", "'none'")
        for body, says in (
            ({}, "name"),
            ({"name": "a/b"}, "name"),
            ({"name": "x", "priority": 0}, "priority"),
            ({"name": "x", "concurrency_limit": -1}, "concurrency_limit"),
        ):
            refused(post("work_pools/pool/queues", json=body), 422, says)
        missing = new_id()
        for method in ("get", "delete"):
            refused(getattr(api.http, method)(f"work_queues/{missing}"), 404, str(missing))
        refused(api.http.patch(f"work_queues/{missing}", json={}), 404, str(missing))

    def test_an_update_changes_what_it_names_and_null_clears(self, api: Api) -> None:
        api.pool()
        made = api.queue("q", description="d", concurrency_limit=2)
        api.queue("other")

        def patch(**body: Any) -> dict[str, Any]:
            ok(api.http.patch(f"work_queues/{made['id']}", json=body), 204)
            read = ok(api.http.get(f"work_queues/{made['id']}"))
            return {
                key: value
                for key, value in read.items()
                if made[key] != value and key not in ("updated", "active_slots")
            }

        assert patch() == {}
        assert patch(name=None, priority=None, is_paused=None) == {}
        assert patch(is_paused=True) == {"is_paused": True, "status": "PAUSED"}
        assert patch(is_paused=False, concurrency_limit=None) == {"concurrency_limit": None}
        assert patch(concurrency_limit=0, description=None) == {"concurrency_limit": 0, "description": None}
        assert patch(name="new", concurrency_limit=2, description="d") == {"name": "new"}
        assert patch(name="new") == {"name": "new"}
        refused(api.http.patch(f"work_queues/{made['id']}", json={"name": "other"}), 409, "'other'")
        refused(api.http.patch(f"work_queues/{made['id']}", json={"priority": 0}), 422, "priority")

    def test_the_default_queue_stays(self, api: Api) -> None:
        pool = api.pool()
        refused(api.http.delete(f"work_queues/{pool['default_queue_id']}"), 409, "default queue")
        ok(api.http.patch(f"work_queues/{pool['default_queue_id']}", json={"is_paused": True}), 204)

    def test_filters(self, api: Api) -> None:
        for pool in ("pool", "other"):
            api.pool(pool)
            api.queue("q", pool)
            api.queue("r", pool)

        def names(path: str, **body: Any) -> list[str]:
            return sorted(each["name"] for each in ok(api.http.post(path, json=body)))

        of_pool = "work_pools/pool/queues/filter"
        assert names(of_pool) == ["default", "q", "r"]
        assert names(of_pool, work_queues={"name": {"any_": ["q"]}}) == ["q"]
        assert names(of_pool, work_queues={"name": {"any_": []}}) == []
        assert names(of_pool, limit=1, offset=2) == ["r"]
        assert names("work_queues/filter", work_queues={"name": {"any_": ["q"]}}) == ["q", "q"]
        assert names("work_queues/filter", work_pools={"name": {"any_": ["other"]}}) == ["default", "q", "r"]
        refused(api.http.post("work_pools/none/queues/filter", json={}), 404, "'none'")
        for path in (of_pool, "work_queues/filter"):
            refused(api.http.post(path, json={"work_queues": {"nme": {}}}), 422, "work_queues.nme")
            refused(api.http.post(path, json={"limit": 201}), 422, "200")
