"""Pools that workers pull from: what a worker is given, which slots runs hold there, and who is there to take them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from skylift.models.states import StateCreate, StateType
from skylift.store import proposals
from skylift.store.tables import concurrency_leases, workers
from skylift.transitions import Author
from tests.api.making import Api, ok, refused

BEAT = "work_pools/pool/workers/heartbeat"


def pull_pool(api: Api, **body: Any) -> dict[str, Any]:
    return api.pool(type="process", base_job_template={}, **body)


def poll(api: Api, **body: Any) -> list[str]:
    """The runs that a worker is given, in order."""
    found = ok(api.http.post("work_pools/pool/get_scheduled_flow_runs", json=body))
    for each in found:
        assert each["work_queue_id"] == each["flow_run"]["work_queue_id"]
        assert each["flow_run"]["state"]["type"] == "SCHEDULED"
    return [each["flow_run"]["id"] for each in found]


def queued(api: Api, deployment: dict[str, Any], queue: str, **body: Any) -> str:
    made: str = api.run(deployment["id"], work_queue_name=queue, **body)["id"]
    return made


def take(api: Api, run: str) -> Any:
    return ok_or_written(api.propose(run, "PENDING"))


def ok_or_written(answer: Any) -> Any:
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def status_of(api: Api, path: str = "work_pools/pool") -> str:
    found: str = ok(api.http.get(path))["status"]
    return found


class TestRaces:
    """On each database."""

    @pytest.mark.parametrize("limited", ["pool", "queue", "deployment"])
    def test_workers_that_take_at_once_stay_within_the_limit(self, api: Api, limited: str) -> None:
        pull_pool(api, concurrency_limit=3 if limited == "pool" else None)
        api.queue("q", concurrency_limit=3 if limited == "queue" else None)
        deployment = api.deployment(work_queue_name="q", concurrency_limit=3 if limited == "deployment" else None)
        made = [UUID(api.run(deployment["id"])["id"]) for _ in range(8)]
        wanted = StateCreate(type=StateType.PENDING)
        with ThreadPoolExecutor(8) as threads:
            answers = list(
                threads.map(
                    lambda run: api.place.store.transaction(proposals.propose, run, wanted, Author.PERSON), made * 2
                )
            )
        assert sum(each.status == "ACCEPT" for each in answers) == 3
        assert sum(state == StateType.PENDING for state in api.place.states().values()) == 3

    def test_a_waterfall_of_queues(self, api: Api) -> None:
        pull_pool(api, concurrency_limit=3)
        for name, priority, limit in (("high", 1, 2), ("low", 9, None)):
            api.queue(name, priority=priority, concurrency_limit=limit)
        deployment = api.deployment()
        high = [queued(api, deployment, "high") for _ in range(3)]
        low = [queued(api, deployment, "low") for _ in range(3)]
        assert poll(api) == [*high[:2], low[0]]
        assert poll(api) == poll(api), "reading takes nothing"
        assert poll(api, work_queue_names=["low"]) == low
        assert poll(api, limit=1) == high[:1]
        assert poll(api, limit=0) == []
        assert take(api, high[0])["status"] == "ACCEPT"
        ok(api.propose(high[0], "RUNNING"), 201)
        assert poll(api) == [high[1], low[0]]
        assert take(api, low[0])["status"] == "ACCEPT"
        assert poll(api, work_queue_names=["low"]) == low[1:2], "the pool's slots count across its queues"
        ok(api.propose(high[0], "CANCELLING"), 201)
        assert poll(api) == high[1:], "one that is cancelled holds no slot any more"


class TestOnSqlite:
    """What does not depend on the database."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def test_due_times(self, api: Api) -> None:
        pull_pool(api)
        deployment = api.deployment()
        late, now, later = (api.run(deployment["id"], after=after)["id"] for after in (-60, 0, 60))
        soon = (api.place.clock.at + timedelta(seconds=10)).isoformat(sep=" ")
        assert poll(api, scheduled_before=soon, work_queue_names=[]) == [late, now]
        assert poll(api) == [late, now, later]
        assert poll(api, scheduled_after=api.at(-5)) == [now, later]
        queue = ok(api.http.get("work_pools/pool/queues/default"))
        found = ok(api.http.post(f"work_queues/{queue['id']}/get_runs", json={"limit": 10, "scheduled_before": soon}))
        assert [each["id"] for each in found] == [late, now]
        refused(
            api.http.post("work_pools/pool/get_scheduled_flow_runs", json={"work_queue_names": ["none"]}), 404, "none"
        )
        for path in ("work_pools/pool", f"work_queues/{queue['id']}"):
            ok(api.http.patch(path, json={"is_paused": True}), 204)
            assert poll(api) == []
            answer = take(api, now)
            assert (answer["status"], answer["state"]["type"]) == ("REJECT", "SCHEDULED")
            assert "is paused" in answer["details"]["reason"]
            ok(api.http.patch(path, json={"is_paused": False}), 204)
        assert take(api, now)["status"] == "ACCEPT"

    def test_who_finds_no_slot_keeps_its_place(self, api: Api) -> None:
        pull_pool(api, concurrency_limit=1)
        deployment = api.deployment()
        first, second = (api.run(deployment["id"])["id"] for _ in range(2))
        take(api, first)
        answer = take(api, second)
        assert (answer["status"], answer["state"]["name"]) == ("REJECT", "Scheduled")
        assert "at its limit of 1" in answer["details"]["reason"]
        assert take(api, first)["status"] == "ABORT", "another has it"
        assert ok(api.propose(second, "PENDING", force=True), 201)["status"] == "ACCEPT"
        for run in (first, second):
            ok(api.propose(run, "COMPLETED", force=True), 201)
        assert poll(api) == []

    def test_a_process_that_runs_its_flow_once_more_is_left_alone(self, api: Api) -> None:
        pull_pool(api)
        run = api.run(api.deployment()["id"])["id"]
        ok(api.http.patch(f"flow_runs/{run}", json={"empirical_policy": {"retries": 1}}), 204)
        take(api, run)
        ok(api.propose(run, "RUNNING"), 201)
        assert ok(api.propose(run, "FAILED"), 201)["state"]["name"] == "AwaitingRetry"
        assert poll(api) == []
        ok(api.propose(run, "RUNNING"), 201)
        ok(api.propose(run, "FAILED"), 201)
        ok(api.propose(run, "SCHEDULED", name="AwaitingRetry", force=True), 201)
        assert poll(api) == [run], "a person's retry is for a worker"


class TestDeploymentLimits:
    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    @pytest.fixture
    def two(self, api: Api) -> list[str]:
        """Two due runs of a deployment that allows one."""
        pull_pool(api)
        deployment = api.deployment(concurrency_limit=1)
        return [api.run(deployment["id"])["id"] for _ in range(2)]

    def lease_of(self, api: Api, run: str) -> str:
        found: str = api.read(run)["state"]["state_details"]["deployment_concurrency_lease_id"]
        return found

    def test_a_lease_holds_the_slot_while_it_is_renewed(self, api: Api, two: list[str]) -> None:
        first, second = two
        take(api, first)
        lease = self.lease_of(api, first)
        nothing = {"deployment_concurrency_lease_id": None}
        ok(api.propose(first, "PENDING", name="Submitting", state_details=nothing), 201)
        ok(api.propose(first, "RUNNING", state_details=nothing), 201)
        assert self.lease_of(api, first) == lease
        answer = take(api, second)
        assert (answer["status"], answer["state"]["name"]) == ("REJECT", "AwaitingConcurrencySlot")
        assert answer["state"]["state_details"]["scheduled_time"] == api.at(30).replace("+00:00", "Z")
        assert poll(api) == [second]
        for _ in range(3):
            api.place.clock.advance(200)
            ok(api.http.post(f"v2/concurrency_limits/leases/{lease}/renew", json={"lease_duration": 300}), 204)
        assert take(api, second)["status"] == "REJECT"
        ok(api.propose(first, "COMPLETED"), 201)
        assert take(api, second)["status"] == "ACCEPT"
        ok(api.http.post("v2/concurrency_limits/decrement-with-lease", json={"lease_id": lease}), 204)

    def test_a_worker_that_died_holds_no_slot(self, api: Api, two: list[str]) -> None:
        first, second = two
        take(api, first)
        api.place.clock.advance(301)
        assert take(api, second)["status"] == "ACCEPT"
        answer = ok(api.propose(first, "RUNNING"), 201)
        assert (answer["status"], answer["state"]["type"]) == ("REJECT", "CANCELLED")
        assert "more than 300 s" in answer["state"]["message"]
        api.place.clock.advance(301)
        assert ok(api.propose(second, "RUNNING"), 201)["status"] == "ACCEPT", "nobody else took it"

    def test_a_retry_asks_again(self, api: Api, two: list[str]) -> None:
        first, second = two
        take(api, first)
        for type_ in ("RUNNING", "CRASHED", "SCHEDULED"):
            ok(api.propose(first, type_), 201)
        assert take(api, second)["status"] == "ACCEPT"
        assert take(api, first)["status"] == "REJECT"
        assert len(api.place.rows(concurrency_leases)) == 1

    def test_rules_for_those_without_a_slot(self, api: Api) -> None:
        pull_pool(api)
        options = {"collision_strategy": "CANCEL_NEW"}
        deployment = api.deployment(concurrency_limit=1, concurrency_options=options)
        first, second = (api.run(deployment["id"])["id"] for _ in range(2))
        take(api, first)
        assert take(api, second)["state"]["type"] == "CANCELLED"
        none = api.deployment("none", concurrency_limit=0)
        answer = take(api, api.run(none["id"])["id"])
        assert answer["status"] == "ABORT"
        assert "is 0" in answer["details"]["reason"]

    def test_served_without_a_pool(self, api: Api) -> None:
        deployment = api.deployment(work_pool_name=None, job_variables={}, concurrency_limit=1)
        path = f"deployments/{deployment['id']}"
        assert status_of(api, path) == "NOT_READY"
        first, second, later = (api.run(deployment["id"], after=after)["id"] for after in (-1, 0, 60))

        def ask(**body: Any) -> list[str]:
            asked = {"deployment_ids": [deployment["id"]], "limit": None} | body
            found = ok(api.http.post("deployments/get_scheduled_flow_runs", json=asked))
            return [each["id"] for each in found]

        assert ask(scheduled_before=api.at(10)) == [first, second]
        assert ask(limit=1) == [first]
        assert ask() == [first, second, later]
        assert status_of(api, path) == "READY"
        take(api, first)
        assert take(api, second)["state"]["name"] == "AwaitingConcurrencySlot"
        assert ask(scheduled_before=api.at(10)) == []
        api.place.clock.advance(61)
        assert status_of(api, path) == "NOT_READY"


class TestPresence:
    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def workers(self, api: Api, *status: str) -> list[str]:
        body = {"workers": {"status": {"any_": list(status)}} if status else None, "limit": None, "offset": 0}
        return [each["name"] for each in ok(api.http.post("work_pools/pool/workers/filter", json=body))]

    def test_heartbeats(self, api: Api) -> None:
        pull_pool(api)
        assert status_of(api) == "NOT_READY"
        ok(api.http.post(BEAT, json={"name": "one", "heartbeat_interval_seconds": 30}), 204)
        assert status_of(api) == "READY"
        api.place.clock.advance(59)
        ok(api.http.post(BEAT, json={"name": "two"}), 204)
        assert self.workers(api) == ["two", "one"]
        api.place.clock.advance(59)
        assert (status_of(api), self.workers(api, "OFFLINE")) == ("READY", ["one"])
        api.place.clock.advance(1)
        assert (status_of(api), self.workers(api, "ONLINE")) == ("NOT_READY", ["two"])
        api.place.clock.advance(30)
        assert self.workers(api, "ONLINE") == []
        assert self.workers(api, "ONLINE", "OFFLINE") == ["two", "one"]
        ok(api.http.post(BEAT, json={"name": "seldom", "heartbeat_interval_seconds": 100}), 204)
        api.place.clock.advance(199)
        assert status_of(api) == "READY", "it speaks so seldom"
        ok(api.http.patch("work_pools/pool", json={"is_paused": True}), 204)
        assert status_of(api) == "PAUSED"
        ok(api.http.delete("work_pools/pool/workers/seldom"), 204)
        refused(api.http.delete("work_pools/pool/workers/seldom"), 404, "'seldom'")
        refused(api.http.post("work_pools/none/workers/heartbeat", json={"name": "x"}), 404, "'none'")
        refused(api.http.post("work_pools/none/workers/filter"), 404, "'none'")
        wrongs: list[dict[str, Any]] = [{"status": {"any_": ["AWAY"]}}, {"nothing": {"any_": []}}, {"status": "ONLINE"}]
        for wrong in wrongs:
            answer = api.http.post("work_pools/pool/workers/filter", json={"workers": wrong})
            assert answer.status_code == 422, wrong
        assert api.http.post(BEAT, json={"name": ""}).status_code == 422
        ok(api.http.delete("work_pools/pool"), 204)
        assert api.place.rows(workers) == []

    def test_names_of_long_ago_are_forgotten(self, api: Api) -> None:
        pull_pool(api)
        for number in range(3):
            ok(api.http.post(BEAT, json={"name": f"process-{number}"}), 204)
            api.place.clock.advance(4 * 86400)
        assert self.workers(api) == ["process-2", "process-1"]

    def test_polls_make_queues_and_deployments_ready(self, api: Api) -> None:
        pull_pool(api)
        api.queue("other")
        deployment = f"deployments/{api.deployment()['id']}"
        queue = "work_pools/pool/queues/default"
        assert (status_of(api, queue), status_of(api, deployment)) == ("NOT_READY", "NOT_READY")
        poll(api, work_queue_names=["default"])
        assert (status_of(api, queue), status_of(api, deployment)) == ("READY", "READY")
        assert ok(api.http.get(queue))["last_polled"] == api.at().replace("+00:00", "Z")
        assert status_of(api, "work_pools/pool/queues/other") == "NOT_READY"
        queue_id = ok(api.http.get(queue))["id"]
        health = ok(api.http.get(f"work_queues/{queue_id}/status"))
        assert health == {
            "healthy": True,
            "late_runs_count": 0,
            "last_polled": api.at().replace("+00:00", "Z"),
            "health_check_policy": {"maximum_late_runs": 0, "maximum_seconds_since_last_polled": 60},
        }
        api.place.clock.advance(60)
        assert (status_of(api, queue), status_of(api, deployment)) == ("NOT_READY", "NOT_READY")
        assert ok(api.http.get(f"work_queues/{queue_id}/status"))["healthy"] is False
        ok(api.http.patch(f"work_queues/{queue_id}", json={"is_paused": True}), 204)
        assert status_of(api, queue) == "PAUSED"

    def test_slots(self, api: Api) -> None:
        pull_pool(api, concurrency_limit=4)
        api.queue("q", concurrency_limit=2)
        deployment = api.deployment()
        made = [queued(api, deployment, name) for name in ("default", "q", "q", "q")]
        for run in made:
            take(api, run)
            api.place.clock.advance(1)
        ok(api.propose(made[0], "RUNNING"), 201)
        path = "work_pools/pool/concurrency_status"
        found = ok(api.http.post(path, json={"page": 1, "flow_run_limit": 1}))
        assert (found["active_slots"], found["concurrency_limit"]) == (3, 4)
        assert [found[key] for key in ("count", "limit", "pages", "page")] == [2, 200, 1, 1]
        first, second = found["queues"]
        assert (first["queue_name"], first["active_slots"], first["flow_run_count"]) == ("default", 1, 1)
        assert (second["active_slots"], second["concurrency_limit"], second["flow_run_count"]) == (2, 2, 2)
        assert [each["id"] for each in second["flow_runs"]] == made[1:2]
        assert second["flow_runs"][0]["time_in_current_state"] == 3.0
        assert first["flow_runs"][0].items() >= {"state_type": "RUNNING", "state_name": "Running"}.items()
        assert ok(api.http.post(path, json={"page": 2, "limit": 1}))["queues"][0]["queue_name"] == "q"
        body = {"page": 2, "limit": 1}
        of_queue = ok(api.http.post(f"work_queues/{second['queue_id']}/concurrency_status", json=body))
        assert [each["id"] for each in of_queue["flow_runs"]] == made[2:3]
        assert [of_queue[key] for key in ("active_slots", "count", "pages", "page")] == [2, 2, 2, 2]

    def test_slots_of_a_pool_that_is_pushed_to(self, api: Api) -> None:
        api.pool(concurrency_limit=2)
        run = api.run(api.deployment()["id"])["id"]
        assert len(api.launch()) == 1
        found = ok(api.http.post("work_pools/pool/concurrency_status"))
        assert (found["active_slots"], found["queues"][0]["flow_runs"][0]["id"]) == (1, run)
        queue_id = found["queues"][0]["queue_id"]
        assert ok(api.http.post(f"work_queues/{queue_id}/concurrency_status"))["active_slots"] == 1
        assert ok(api.http.get(f"work_queues/{queue_id}/status"))["healthy"] is True
