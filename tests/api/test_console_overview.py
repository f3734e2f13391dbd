"""The installation at a glance; deployments and their ledgers; blocks and variables without secrets; unchanged answers
that are not sent again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from skylift import __version__, registry
from skylift.models.base import JsonObject
from skylift.provider import Unreachable
from skylift.provisioner import PoolIdentity
from skylift.schedule import mark_late, schedule
from skylift.store import ticks
from tests.api.making import Api, ok, refused
from tests.support.toy_cloud import ToyCloud, ToyProvisioner

EVERY_HOUR = {"schedule": {"interval": 3600}, "slug": "hourly"}


def overview(api: Api) -> JsonObject:
    found: JsonObject = ok(api.http.get("skylift/overview"))
    return found


def test_pools_with_what_runs_and_waits(api: Api) -> None:
    api.pool("b", concurrency_limit=1)
    api.pool("a")
    deployment = api.deployment(work_pool_name="b")["id"]
    for after in (0, 0.001, 20, 60):
        api.run(deployment, after=after)
    api.launch()
    api.place.clock.advance(30)
    mark_late(api.place.parts)
    found = overview(api)
    assert (found["version"], found["problems"], found["last_tick"]) == (__version__, [], None)
    empty, busy = found["pools"]
    assert (empty["name"], empty["due"], empty["occupied"], empty["next_due"]) == ("a", 0, 0, None)
    assert (busy["concurrency_limit"], busy["occupied"], busy["due"], busy["late"]) == (1, 1, 2, 1)
    assert busy["next_due"].startswith(api.at(-30)[:19])


def test_failures_by_reason(api: Api) -> None:
    api.pool()
    deployment = api.deployment()["id"]
    said = [f"No rows in part {n}\nTraceback" for n in range(3)] + ["Out of memory", None]
    for number, message in enumerate(said):
        run = api.run(deployment, name=f"run-{number}", after=number - 10)["id"]
        ok(api.propose(run, "CRASHED" if number == 3 else "FAILED", message=message, force=True), 201)
    old = api.run(deployment, after=-2 * 86_400)["id"]
    ok(api.propose(old, "FAILED", force=True), 201)
    ok(api.propose(api.run(deployment, after=-1)["id"], "COMPLETED", force=True), 201)
    found = overview(api)
    assert found["failed"] == 5
    first, *others = found["failures"]
    assert (first["count"], first["reason"], first["last_run"]["name"]) == (3, "No rows in part 2", "run-2")
    assert {(each["reason"], each["state_type"]) for each in others} == {
        ("Out of memory", "CRASHED"),
        ("Failed", "FAILED"),
    }


class TestOnOneDatabase:
    """What does not depend on how a database counts."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    def problems(self, api: Api) -> dict[str, JsonObject]:
        return {each["kind"]: each for each in overview(api)["problems"]}

    def test_a_provider_that_cannot_be_reached(self, api: Api) -> None:
        api.pool()
        api.run(api.deployment()["id"])
        api.place.cloud.fail_before = [Unreachable("The credentials have expired", remedy="Renew them")]
        api.launch()
        found = self.problems(api)["unreachable"]
        assert (found["work_pool"], found["remedy"]) == ("pool", "Renew them")
        assert "The credentials have expired" in found["message"]

    def test_a_pool_that_nobody_serves(self, api: Api) -> None:
        api.pool("pulled", type="process", base_job_template={})
        api.pool("pushed", type="other:push", base_job_template={})
        for pool in ("pulled", "pushed"):
            api.run(api.deployment(pool, work_pool_name=pool, job_variables={})["id"])
        api.place.clock.advance(1)
        first, second = overview(api)["problems"]
        assert ("no worker asks" in first["message"], "other:push" in second["message"]) == (True, True)

    def test_a_timer_that_does_not_come(self, api: Api) -> None:
        api.place.store.transaction(ticks.note, timedelta(minutes=5))
        assert overview(api)["last_tick"].startswith(api.at()[:19])
        api.place.clock.advance(660)
        assert self.problems(api) == {}
        api.place.clock.advance(1)
        assert self.problems(api)["timer"]["since"].startswith(api.at(-661)[:19])

    def test_a_timer_that_never_came(self, api: Api) -> None:
        api.pool()
        api.deployment(schedules=[EVERY_HOUR])
        assert self.problems(api) == {}
        api.place.clock.advance(3600)
        assert "timer" in self.problems(api)
        schedule(api.place.parts)
        assert self.problems(api) == {}

    def test_deployments_with_their_next_and_last_runs(self, api: Api) -> None:
        api.pool()
        made = api.deployment("b", schedules=[EVERY_HOUR], tags=["t"])["id"]
        api.deployment("a", work_pool_name=None, job_variables={})
        schedule(api.place.parts)
        for after, name in ((-60, "older"), (-30, "newer")):
            ok(api.propose(api.run(made, after=after, name=name)["id"], "COMPLETED", force=True), 201)
        page = ok(api.http.get("skylift/deployments?limit=1"))
        assert [each["name"] for each in page["deployments"]] == ["a"]
        [row] = ok(api.http.get("skylift/deployments", params={"after": page["next"]}))["deployments"]
        assert (row["name"], row["schedules"], row["active_schedules"], row["tags"]) == ("b", 1, 1, ["t"])
        assert (row["last_run"]["name"], row["flow"]["name"], row["work_pool_name"]) == ("newer", "flow", "pool")
        assert row["next_run"].startswith("2026-03-01T13:00:00")
        view = ok(api.http.get(f"skylift/deployments/{made}"))
        assert [each["name"] for each in view["recent"]] == ["newer", "older"]
        assert view["upcoming"][0]["expected_start_time"] == row["next_run"]
        assert view["deployment"]["schedules"][0]["slug"] == "hourly"
        refused(api.http.get("skylift/deployments?after=x"), 422, "after")

    def test_blocks_and_variables_without_secrets(self, api: Api) -> None:
        [kind] = ok(api.http.post("block_types/filter", json={"block_types": {"slug": {"any_": ["secret"]}}}))
        wanted = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
        schema = ok(api.http.post("block_schemas/filter", json=wanted))[0]["id"]
        body = {"block_type_id": kind["id"], "block_schema_id": schema, "data": {"value": "hunter2"}}
        for name in ("b", "a"):
            ok(api.http.post("block_documents/", json=body | {"name": name}), 201)
        ok(api.http.post("block_documents/", json=body | {"is_anonymous": True}), 201)
        for name, value in (("api_token", "hunter2"), ("region", {"a": 1})):
            ok(api.http.post("variables/", json={"name": name, "value": value}), 201)
        answer = api.http.get("skylift/blocks")
        assert [(each["name"], each["block_type_slug"]) for each in ok(answer)["blocks"]] == [
            ("a", "secret"),
            ("b", "secret"),
        ]
        assert "hunter2" not in answer.text
        hidden, plain = ok(api.http.get("skylift/variables"))["variables"]
        assert (hidden["value"], hidden["is_hidden"], plain["value"], plain["is_hidden"]) == (
            None,
            True,
            {"a": 1},
            False,
        )
        page = ok(api.http.get("skylift/variables?limit=1"))
        assert ok(api.http.get("skylift/variables", params={"after": page["next"]}))["variables"] == [plain]

    def test_what_has_not_changed_is_not_sent_again(self, api: Api) -> None:
        api.pool()
        deployment = api.deployment()["id"]
        run = api.run(deployment)["id"]
        paths = ["overview", "work_pools/pool", "work_pools/pool/slots", "work_pools/pool/waiting", "flow_runs"]
        paths += ["work_pools/pool/quota", "work_pools/pool/infrastructure", "blocks", "variables", "session"]
        paths += [f"flow_runs/{run}/explain", f"flow_runs/{run}/logs", "deployments", f"deployments/{deployment}"]
        ok(api.http.post("skylift/webhooks/", json={"name": "hook", "deployment_id": deployment}), 201)
        paths += [f"deployments/{deployment}/slots", "webhooks/", "webhooks/hook", "webhooks/hook/deliveries"]
        for path in paths:
            first = api.http.get(f"skylift/{path}")
            assert first.headers["Cache-Control"] == "private, no-cache"
            api.place.clock.advance(1)
            again = api.http.get(f"skylift/{path}", headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"]), path
        tag = {"If-None-Match": api.http.get("skylift/overview").headers["ETag"]}
        api.launch()
        assert ok(api.http.get("skylift/overview", headers=tag))["pools"][0]["occupied"] == 1
        assert "ETag" not in api.http.get("skylift/work_pools/none").headers

    def test_a_run_gets_none_of_it(self, api: Api) -> None:
        document = api.http.get("openapi.json").json()
        console = [
            each for each in document["paths"].values() if each and next(iter(each.values())).get("tags") == ["Console"]
        ]
        assert len(console) >= 15
        for operations in console:
            assert "304" in operations.get("get", {"responses": ["304"]})["responses"]


class TestLedger:
    """What became of each slot of a deployment's schedules."""

    def _lines(self, api: Api, deployment: str, **query: Any) -> JsonObject:
        found: JsonObject = ok(api.http.get(f"skylift/deployments/{deployment}/slots", params=query))
        return found

    def test_after_an_outage(self, api: Api) -> None:
        api.pool()
        made = api.deployment(schedules=[EVERY_HOUR, {"schedule": {"cron": "30 */3 * * *"}, "slug": "rarely"}])["id"]
        schedule(api.place.parts)
        api.place.clock.advance(9 * 3600)
        schedule(api.place.parts)
        until = api.at().replace("+00:00", "Z")
        past = self._lines(api, made, to=until)["lines"]
        slots = [each["slot"] for each in past]
        assert slots == sorted(slots, reverse=True)
        assert {each["schedule"] for each in past} == {"hourly", "rarely"}
        skipped = [each for each in past if each["outcome"] == "SKIPPED"]
        assert skipped
        assert all("catch-up window" in each["reason"] and each["flow_run"] is None for each in skipped)
        kept = [each for each in past if each["outcome"] == "RUN"]
        assert all(each["flow_run"]["state_type"] == "SCHEDULED" and not each["reason"] for each in kept)
        page = self._lines(api, made, limit=2)
        rest = self._lines(api, made, to=page["lines"][-1]["slot"])
        assert (page["more"], rest["more"]) == (True, False)
        assert page["lines"] + rest["lines"] == self._lines(api, made)["lines"]
        assert self._lines(api, made, **{"from": until})["lines"][-1]["slot"] >= until
        ok(api.http.delete(f"flow_runs/{kept[0]['flow_run']['id']}"), 204)
        [gone] = [each for each in self._lines(api, made)["lines"] if each["slot"] == kept[0]["slot"]][:1]
        assert (gone["outcome"], gone["flow_run"]["name"]) == ("RUN", None)
        refused(api.http.get(f"skylift/deployments/{made}/slots", params={"from": until, "to": until}), 422, "from")


class TestInfrastructure:
    """What was made for a pool, and what somebody saw of it since."""

    @pytest.fixture
    def store_url(self, sqlite_url: str) -> str:
        return sqlite_url

    @pytest.fixture
    def cloud(self, monkeypatch: pytest.MonkeyPatch) -> ToyCloud:
        made = ToyCloud()
        monkeypatch.setattr(registry, "provisioner", lambda type_: ToyProvisioner(made, type_))
        monkeypatch.setattr(registry, "provisioners", lambda: ["cloud:push"])
        return made

    def test_drift_is_seen_and_is_gone_once_it_is_mended(self, api: Api, cloud: ToyCloud) -> None:
        path = "skylift/work_pools/pool/infrastructure"
        refused(api.http.get(path), 404, "'pool'")
        api.pool()
        nothing = ok(api.http.get(path))
        assert (nothing["place"], nothing["resources"], nothing["can_check"]) == (None, [], False)
        refused(api.http.post(f"{path}/check"), 404, "No infrastructure")
        self._apply(api, cloud)
        found = ok(api.http.get(path))
        assert {each["state"] for each in found["resources"]} == {"unchecked"}
        assert (found["checked_at"], found["can_check"]) == (None, True)
        found = ok(api.http.post(f"{path}/check"))
        assert {each["state"] for each in found["resources"]} == {"in-place"}
        cloud.things["north/skylift"]["value"] = "small"
        del cloud.things["pool-role"]
        api.place.clock.advance(5)
        found = ok(api.http.post(f"{path}/check"))
        assert found["checked_at"].startswith(api.at()[:19])
        states = {each["state"]: each for each in found["resources"]}
        assert set(states) == {"in-place", "missing", "changed"}
        assert states["changed"]["differences"] == ["its value is 'small'"]
        [problem] = overview(api)["problems"]
        assert (problem["kind"], problem["work_pool"]) == ("drift", "pool")
        self._apply(api, cloud)
        assert overview(api)["problems"] == []
        assert ok(api.http.get(path))["checked_at"] is None

    def _apply(self, api: Api, cloud: ToyCloud) -> None:
        answers = {"region": "north", "cluster": "skylift", "with_access_key": False}
        identity = PoolIdentity("pool", "cloud:push", api.place.store.installation_id)
        records: list[JsonObject] = []
        ToyProvisioner(cloud, "cloud:push").open(identity, answers).apply(records.append, lambda _step: None)
        record = records[-1] | {"type": "cloud:push", "answers": answers}
        ok(api.http.put("work_pools/pool/infrastructure", json=record), 204)
