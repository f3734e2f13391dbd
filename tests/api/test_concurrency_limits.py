"""Concurrency limits over HTTP, by name and by tag: slots, decay, leases, and who gets the last one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from skylift.ids import new_id
from skylift.models.limits import ConcurrencyLimitCreate
from skylift.schedule import schedule
from skylift.store import Store, limits
from skylift.store.limits import Denied, Taken
from skylift.store.tables import concurrency_leases
from tests.api.making import Api, ok, refused

V2 = "v2/concurrency_limits/"


def make(api: Api, name: str = "db", limit: int = 2, **body: Any) -> dict[str, Any]:
    made: dict[str, Any] = ok(api.http.post(V2, json={"name": name, "limit": limit} | body), 201)
    return made


def used(api: Api, name: str = "db") -> int:
    slots: int = ok(api.http.get(V2 + name))["active_slots"]
    return slots


def lease(api: Api, *names: str, slots: int = 1, **body: Any) -> Any:
    return api.http.post(V2 + "increment-with-lease", json={"names": names or ["db"], "slots": slots} | body)


def wait_of(answer: Any) -> float:
    """What a refusal says of when to come again; clients read it as a number."""
    refused(answer, 423, "no free slots")
    return float(answer.headers["Retry-After"])


class TestRaces:
    """On each database: whoever asks at the same moment, a slot is given once."""

    def test_the_last_slot_is_given_once(self, store: Store) -> None:
        store.transaction(limits.create, ConcurrencyLimitCreate(name="db", limit=5))
        store.transaction(limits.create, ConcurrencyLimitCreate(name="api", limit=7))

        def ask(number: int) -> Taken | Denied:
            names = ["db", "api"] if number % 2 else ["api", "db"]
            return store.transaction(limits.take, names, 1, lease_seconds=60)

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(ask, range(16)))
        taken = [each for each in answers if isinstance(each, Taken)]
        assert len(taken) == 5
        with store.reading() as tx:
            assert [row.active_slots for row in limits.view(tx, limits.page(tx, 10, 0))] == [5, 5]

        with ThreadPoolExecutor(8) as threads:  # each is given back twice at once
            list(threads.map(lambda each: store.transaction(limits.release, each.lease_id), taken * 2))
        with store.reading() as tx:
            assert [row.active_slots for row in limits.view(tx, limits.page(tx, 10, 0))] == [0, 0]

    def test_leases_that_run_out_free_their_slots_once(self, api: Api) -> None:
        make(api, limit=3)
        for _ in range(3):
            ok(lease(api, lease_duration=60))
        api.place.clock.advance(61)
        store = api.place.store
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(store.transaction, limits.take, ["db"], 1, lease_seconds=60) for _ in range(6)]
            swept = [threads.submit(store.transaction, limits.sweep) for _ in range(4)]
            answers = [each.result() for each in asked]
            for each in swept:
                each.result()
        assert sum(isinstance(each, Taken) for each in answers) == 3
        assert used(api) == 3
        assert len(api.place.rows(concurrency_leases)) == 3


class TestOnSqlite:
    """What does not depend on the database."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_made_read_changed_deleted(self, api: Api) -> None:
        made = make(api, "b", 3, slot_decay_per_second=0.5)
        assert (made["active"], made["active_slots"], made["slot_decay_per_second"]) == (True, 0, 0.5)
        make(api, "a", 1)
        refused(api.http.post(V2, json={"name": "a", "limit": 1}), 409, "'a'")
        assert ok(api.http.get(V2 + made["id"])) == ok(api.http.get(V2 + "b")) == made
        listed = ok(api.http.post(V2 + "filter", json={"limit": 10, "offset": 0}))
        assert [each["name"] for each in listed] == ["a", "b"]
        assert [each["name"] for each in ok(api.http.post(V2 + "filter", json={"offset": 1}))] == ["b"]
        refused(api.http.post(V2 + "filter", json={"limit": 201}), 422, "200")
        ok(api.http.patch(V2 + "b", json={"limit": 5, "active": False, "name": "c"}), 204)
        assert ok(api.http.get(V2 + "c")).items() >= {"limit": 5, "active": False, "slot_decay_per_second": 0.5}.items()
        refused(api.http.patch(V2 + "c", json={"name": "a"}), 409, "'a'")
        ok(api.http.delete(V2 + made["id"]), 204)
        for method in ("get", "delete"):
            refused(getattr(api.http, method)(V2 + "c"), 404, "c")
        refused(api.http.patch(V2 + str(new_id()), json={}), 404)
        for body in ({"name": "x"}, {"name": "x", "limit": -1}, {"name": "x/y", "limit": 1}, {"name": "", "limit": 1}):
            assert api.http.post(V2, json=body).status_code == 422, body

    def test_slots_are_taken_and_given_back(self, api: Api) -> None:
        made = make(api)
        body = {"names": ["db", "unknown"], "slots": 2, "mode": "concurrency"}
        assert ok(api.http.post(V2 + "increment", json=body)) == [{"id": made["id"], "name": "db", "limit": 2}]
        assert used(api) == 2
        assert wait_of(api.http.post(V2 + "increment", json=body | {"slots": 1})) > 0
        assert used(api) == 2
        ok(api.http.post(V2 + "decrement", json={"names": ["db"], "slots": 1, "occupancy_seconds": 12.0}))
        assert used(api) == 1
        assert ok(api.http.get(V2 + "db"))["avg_slot_occupancy_seconds"] == pytest.approx(2 + (12 - 2) / 4)
        ok(api.http.post(V2 + "decrement", json={"names": ["db", "unknown"], "slots": 9}))
        assert used(api) == 0
        assert ok(api.http.post(V2 + "increment", json={"names": ["unknown"], "slots": 5})) == []
        refused(api.http.post(V2 + "increment", json={"names": ["db"], "slots": 3}), 422, "greater than the limit")
        wrongs: list[dict[str, Any]] = [{"slots": 0}, {"names": []}, {"mode": "other"}]
        for wrong in wrongs:
            assert api.http.post(V2 + "increment", json={"names": ["db"], "slots": 1} | wrong).status_code == 422

    def test_all_limits_or_none(self, api: Api) -> None:
        make(api, "wide", 10)
        make(api, "narrow", 1)
        ok(lease(api, "wide", "narrow"))
        assert "'narrow'" in lease(api, "narrow", "wide").json()["detail"]
        assert (used(api, "wide"), used(api, "narrow")) == (1, 1)

    def test_a_limit_that_is_off_hinders_nobody_and_loses_no_slot(self, api: Api) -> None:
        make(api, limit=1, active=False)
        off = ok(lease(api, slots=5))
        assert [each["name"] for each in off["limits"]] == ["db"]
        assert used(api) == 0
        ok(api.http.patch(V2 + "db", json={"active": True}), 204)
        on = ok(lease(api))
        ok(api.http.post(f"{V2}leases/{off['lease_id']}/renew", json={"lease_duration": 60}), 204)
        ok(api.http.post(V2 + "decrement-with-lease", json={"lease_id": off["lease_id"]}), 204)
        assert used(api) == 1
        ok(api.http.patch(V2 + "db", json={"active": False}), 204)
        ok(api.http.post(V2 + "decrement-with-lease", json={"lease_id": on["lease_id"]}), 204)
        assert used(api) == 0

    def test_slots_decay(self, api: Api) -> None:
        make(api, "rate", 4, slot_decay_per_second=0.5)
        body = {"names": ["rate"], "slots": 4, "mode": "rate_limit"}
        ok(api.http.post(V2 + "increment", json=body))
        one = body | {"slots": 1}
        for _ in range(4):  # asking in vain must not keep them from decaying
            api.place.clock.advance(0.49)
            assert wait_of(api.http.post(V2 + "increment", json=one)) > 0
        api.place.clock.advance(0.04)
        ok(api.http.post(V2 + "increment", json=one))
        api.place.clock.advance(4)
        assert used(api, "rate") == 2
        ok(api.http.patch(V2 + "rate", json={"slot_decay_per_second": 0}), 204)
        api.place.clock.advance(100)
        assert used(api, "rate") == 2, "what had decayed by then has decayed"
        refused(api.http.post(V2 + "increment", json=one), 422, "'rate'", "decay")

    def test_how_long_to_wait(self, api: Api) -> None:
        make(api, limit=2)
        make(api, "rate", 1, slot_decay_per_second=0.1)
        ok(lease(api, slots=2, lease_duration=3600))
        first = wait_of(lease(api))
        assert 0.7 <= first <= 1.3 * 2, "a slot is thought to be held for two seconds at first"
        for _ in range(60):
            longest = wait_of(lease(api))
        assert 0.7 * 30 <= longest <= 1.3 * 30, "however many wait, nobody waits longer than this"
        api.place.clock.advance(600)
        assert wait_of(lease(api, slots=2)) <= 1.3 * 4, "those who were refused long ago are forgotten"
        ok(lease(api, "rate"))
        assert 7 <= wait_of(lease(api, "rate")) <= 13 * 2

    def test_leases(self, api: Api) -> None:
        make(api)
        holder = {"type": "flow_run", "id": str(new_id())}
        held = ok(lease(api, slots=2, lease_duration=100, holder=holder))
        renew = f"{V2}leases/{held['lease_id']}/renew"
        api.place.clock.advance(99)
        ok(api.http.post(renew, json={"lease_duration": 60}), 204)
        api.place.clock.advance(59)
        wait_of(lease(api))
        api.place.clock.advance(1)
        assert used(api) == 0, "it is over, though nobody has taken it away yet"
        refused(api.http.post(renew, json={"lease_duration": 60}), 410, held["lease_id"])
        another = ok(lease(api, slots=2))
        ok(api.http.post(V2 + "decrement-with-lease", json={"lease_id": held["lease_id"]}), 204)
        assert used(api) == 2, "the one that ran out does not take the other's slots along"
        api.place.clock.advance(20)
        ok(api.http.post(V2 + "decrement-with-lease", json={"lease_id": another["lease_id"]}), 204)
        found = ok(api.http.get(V2 + "db"))
        assert (found["active_slots"], found["avg_slot_occupancy_seconds"]) == (0, pytest.approx(2 + (10 - 2) / 4))
        ok(api.http.post(V2 + "decrement-with-lease", json={"lease_id": str(new_id())}), 204)
        nobody = ok(lease(api, "unknown"))
        assert nobody["limits"] == []
        for seconds in (59, 86401, "x"):
            assert lease(api, lease_duration=seconds).status_code == 422
        assert lease(api, holder={"type": "person", "id": "x"}).status_code == 422

    def test_a_sweep_is_bounded_and_frees_what_ran_out(self, api: Api) -> None:
        for name in "abc":
            make(api, name)
            ok(lease(api, name, lease_duration=60))
        ok(lease(api, "a", lease_duration=600))
        api.place.clock.advance(61)
        assert api.place.store.transaction(limits.sweep, 2) == 2
        assert len(api.place.rows(concurrency_leases)) == 2
        schedule(api.place.parts)
        assert api.place.store.transaction(limits.sweep) == 0
        assert [used(api, name) for name in "abc"] == [1, 0, 0]

    def test_slots_by_hand(self, api: Api) -> None:
        make(api, active_slots=1)
        ok(lease(api))
        wait_of(lease(api))
        ok(api.http.patch(V2 + "db", json={"active_slots": 0}), 204)
        ok(lease(api))
        ok(api.http.delete(V2 + "db"), 204)
        assert api.place.rows(concurrency_leases) == []


class TestTags:
    """The older routes: a limit on a tag is the one named `tag:…`, for which task runs ask."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_made_read_deleted(self, api: Api) -> None:
        made = ok(api.http.post("concurrency_limits/", json={"tag": "big", "concurrency_limit": 1}), 201)
        assert made.items() >= {"tag": "big", "concurrency_limit": 1, "active_slots": []}.items()
        again = ok(api.http.post("concurrency_limits/", json={"tag": "big", "concurrency_limit": 2}), 200)
        assert (again["id"], again["concurrency_limit"]) == (made["id"], 2)
        assert ok(api.http.get("concurrency_limits/tag/big")) == ok(api.http.get(f"concurrency_limits/{made['id']}"))
        make(api, "zzz")
        assert [each["tag"] for each in ok(api.http.post("concurrency_limits/filter", json={"limit": 5}))] == ["big"]
        assert ok(api.http.get(V2 + "tag:big"))["limit"] == 2
        other = ok(api.http.get(V2 + "zzz"))["id"]
        refused(api.http.get(f"concurrency_limits/{other}"), 404, "v2")
        ok(api.http.delete("concurrency_limits/tag/big"))
        refused(api.http.get("concurrency_limits/tag/big"), 404, "'big'")
        refused(api.http.delete(f"concurrency_limits/{made['id']}"), 404)

    def test_task_runs_hold_slots(self, api: Api) -> None:
        ok(api.http.post("concurrency_limits/", json={"tag": "big", "concurrency_limit": 2}), 201)
        one, two, three = (str(new_id()) for _ in range(3))

        def ask(task_run: str, how: str = "increment") -> Any:
            body = {"names": ["big", "free"], "task_run_id": task_run, "occupancy_seconds": 1.0}
            return api.http.post(f"concurrency_limits/{how}", json=body)

        def holding() -> list[str]:
            slots: list[str] = ok(api.http.get("concurrency_limits/tag/big"))["active_slots"]
            return slots

        assert [each["limit"] for each in ok(ask(one))] == [2]
        ok(lease(api, "tag:big", "tag:free", holder={"type": "task_run", "id": two}))
        assert holding() == [one, two]
        assert wait_of(ask(three)) > 0
        ok(ask(one, "decrement"))
        ok(ask(one, "decrement"))
        assert holding() == [two]
        api.place.clock.advance(301)
        assert holding() == [], "the lease ran out"
        for each in (one, two):
            ok(ask(each))
        api.place.clock.advance(10 * 365 * 86400)
        assert holding() == [one, two], "those have no lease that they could renew"
        ok(api.http.post("concurrency_limits/tag/big/reset", json={"slot_override": [three]}))
        assert holding() == [three]
        assert used(api, "tag:big") == 1
        ok(api.http.post("concurrency_limits/tag/big/reset", json={"slot_override": None}))
        assert used(api, "tag:big") == 0
        refused(api.http.post("concurrency_limits/tag/none/reset", json={}), 404, "'none'")
