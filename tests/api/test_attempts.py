"""What runners say over HTTP, and what the token of a run opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from skylift import observe
from skylift.bootstrap import runner_sha256, runner_source
from skylift.ids import new_id
from skylift.models.pools import PoolSettings
from skylift.store.tables import attempts as attempts_table
from tests.api.making import Api, attempt_id_of, ok, refused

ME = "instance-1"
LOGS_FOR = 5 * 60


@dataclass(frozen=True, slots=True)
class Runner:
    """A container's side of one attempt."""

    api: Api
    run: str
    attempt: str
    nonce: str

    def say(self, word: str, *, token: str | None = None, **body: Any) -> Any:
        body = {"instance": ME} | body
        return self.api.http.post(f"attempts/{self.attempt}/{word}", json=body, headers=bearer(token))

    def admit(self, **body: Any) -> Any:
        return self.say("admit", **{"nonce": self.nonce, **body})

    def admitted(self) -> str:
        token: str = ok(self.admit())["token"]
        return token

    def log(self, token: str, run: str | None = None) -> int:
        line = {"name": "n", "level": 20, "message": "m", "timestamp": self.api.at(), "flow_run_id": run or self.run}
        status: int = self.api.http.post("logs/", json=[line], headers=bearer(token)).status_code
        return status

    def state(self) -> str:
        name: str = self.api.read(self.run)["state_name"]
        return name


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def runner(api: Api, pool: str = "pool", **settings: Any) -> Runner:
    """The runner of a new run, whose container was just started."""
    api.pool(pool, settings=PoolSettings(reports=True, **settings).model_dump(mode="json"))
    made = api.deployment(pool, work_pool_name=pool, job_variables={"command": "true", "runner": True})
    run = api.run(made["id"])["id"]
    before = {attempt_id_of(each) for each in api.place.cloud.alive().values()}
    [container] = [each for each in api.launch() if attempt_id_of(each) not in before]
    return Runner(api, run, str(attempt_id_of(container)), container.env["SKYLIFT_NONCE"])


def look(api: Api, seconds: float = 61) -> None:
    api.place.clock.advance(seconds)
    observe.observe(api.place.parts)


def test_the_first_word(api: Api) -> None:
    this = runner(api)
    refused(this.admit(nonce="wrong"), 403, "nonce")
    refused(this.admit(nonce=None), 403, "nonce")
    terms = ok(this.admit())
    assert terms["token"].startswith("slrun_")
    assert (terms["kind"], terms["command"], terms["flow_run"]["id"]) == ("command", ["true"], this.run)
    assert terms["env"]["SKYLIFT_FLOW_RUN_ID"] == this.run
    again = ok(this.admit())
    assert again["token"] != terms["token"], "the same instance may ask again, for a new token"
    assert this.log(terms["token"]) == 401
    assert this.log(again["token"]) == 201
    refused(this.admit(instance="instance-2"), 409, "Another instance")
    unknown = api.http.post(f"attempts/{new_id()}/admit", json={"instance": ME, "nonce": this.nonce})
    refused(unknown, 404, "not found")
    refused(api.http.post(f"attempts/{this.attempt}/admit", json={}), 422, "instance")


def test_an_attempt_that_was_given_up_admits_nobody_and_its_token_is_revoked(api: Api) -> None:
    this = runner(api, start_timeout=100, infrastructure_retries=1)
    api.place.cloud.stubborn = True
    look(api, 200)
    refused(this.admit(), 410, "given up")
    look(api)
    for container in api.place.cloud.alive().values():
        container.end(143)
    look(api)
    refused(this.admit(), 410)
    assert api.read(this.run)["state_name"] == "AwaitingRetry"
    api.place.cloud.stubborn = False

    that = runner(api, "other")
    token = that.admitted()
    ok(that.say("heartbeat", token=token))
    # Somebody ends the run: the attempt is to be stopped, and its token is good for last logs at most.
    ok(api.propose(that.run, "FAILED"), 201)
    refused(that.say("heartbeat", token=token), 410, "given up")
    assert api.propose(that.run, "RUNNING", headers=bearer(token)).status_code == 401
    assert that.log(token) == 201


def test_heartbeats_and_cancellation(api: Api) -> None:
    this = runner(api, heartbeat=20)
    token = this.admitted()
    refused(this.say("heartbeat", token=token, instance="other"), 409)
    ok(api.propose(this.run, "RUNNING", headers=bearer(token)), 201)
    answer = ok(this.say("heartbeat", token=token))
    assert (answer["next"], answer["states"][this.run]["type"]) == (20, "RUNNING")
    ok(api.propose(this.run, "CANCELLING"), 201)
    answer = ok(this.say("heartbeat", token=token))
    assert (answer["next"], answer["states"][this.run]["type"]) == (2, "CANCELLING")
    assert this.log(token) == 201
    ended = ok(this.say("end", token=token, outcome="cancelled", reason="asked to"))
    assert ended["type"] == "CANCELLING", "only the provider knows that nothing runs any more"
    look(api)
    look(api)
    assert this.state() == "Cancelled"


@pytest.mark.parametrize(
    ("outcome", "type_", "name"),
    [
        ("completed", "COMPLETED", "Completed"),
        ("failed", "FAILED", "Failed"),
        ("timed_out", "FAILED", "TimedOut"),
        ("cancelled", "CANCELLED", "Cancelled"),
        ("crashed", "CRASHED", "Crashed"),
    ],
)
def test_the_last_word_decides(api: Api, outcome: str, type_: str, name: str) -> None:
    this = runner(api)
    token = this.admitted()
    ok(api.propose(this.run, "RUNNING", headers=bearer(token)), 201)
    refused(this.say("end", token=token, instance="other", outcome=outcome), 409)
    said = ok(this.say("end", token=token, outcome=outcome, reason="because"))
    assert (said["type"], said["name"]) == (type_, name)
    assert api.read(this.run)["state"] == said
    assert said["message"] == (None if outcome == "completed" else "because")
    assert not api.place.rows(attempts_table), "the slot is free"
    # Said once; after that its logs are all that is taken.
    refused(this.say("end", token=token, outcome="failed"), 410, "over")
    refused(this.admit(), 410, "over")


def test_a_token_opens_its_own_run_only(api: Api) -> None:
    this, other = runner(api), runner(api, "other")
    token = this.admitted()
    headers = bearer(token)
    allowed = api.propose(this.run, "RUNNING", headers=headers)
    assert ok(allowed, 201)["status"] == "ACCEPT"
    ok(api.http.patch(f"flow_runs/{this.run}", json={"flow_version": "1"}, headers=headers), 204)
    assert this.log(token) == 201
    for answer in (
        api.propose(other.run, "RUNNING", headers=headers),
        api.propose(other.run, "FAILED", headers=headers, force=True),
        api.http.patch(f"flow_runs/{other.run}", json={"name": "x"}, headers=headers),
        api.http.delete(f"flow_runs/{this.run}", headers=headers),
        api.http.post("work_pools/", json={"name": "x", "type": "x"}, headers=headers),
        api.http.patch("work_pools/pool", json={"is_paused": True}, headers=headers),
        api.http.get("skylift/work_pools/pool/slots", headers=headers),
        api.http.post("deployments/", json={}, headers=headers),
        other.say("heartbeat", token=token),
        other.say("end", token=token, outcome="failed"),
    ):
        assert answer.status_code == 403, answer.text
    assert this.log(token, other.run) == 403
    assert other.state() == "Pending"
    for path in (f"flow_runs/{this.run}", "admin/version", "variables/name/none"):
        assert api.http.get(path, headers=headers).status_code in (200, 404)


def test_a_token_is_good_for_last_logs_five_minutes_after_the_end(api: Api) -> None:
    this, other = runner(api), runner(api, "other")
    token = this.admitted()
    ok(api.propose(this.run, "RUNNING", headers=bearer(token)), 201)
    ok(api.propose(this.run, "COMPLETED", headers=bearer(token)), 201)
    api.place.clock.advance(LOGS_FOR - 1)
    assert this.log(token) == 201
    assert this.log(token, other.run) == 403
    for answer in (
        api.propose(this.run, "RUNNING", headers=bearer(token)),
        api.http.patch(f"flow_runs/{this.run}", json={"name": "x"}, headers=bearer(token)),
    ):
        refused(answer, 401, "last logs")
    # It has reported its end itself: hooks may run after that, and use what is shared.
    assert ok(api.http.get(f"flow_runs/{this.run}", headers=bearer(token)))["state_type"] == "COMPLETED"
    assert api.http.post("variables/", json={"name": "hook", "value": 1}, headers=bearer(token)).status_code == 201
    api.place.clock.advance(2)
    assert this.log(token) == 401
    assert api.http.get("variables/name/hook", headers=bearer(token)).status_code == 401


def test_a_token_of_an_attempt_that_was_lost_is_good_for_last_logs_only(api: Api) -> None:
    this = runner(api)
    token = this.admitted()
    ok(this.say("end", token=token, outcome="crashed", reason="because"))
    assert this.log(token) == 201
    for path in (f"flow_runs/{this.run}", "variables/name/hook"):
        refused(api.http.get(path, headers=bearer(token)), 401, "last logs")


def test_terminal_is_terminal_for_runs_under_force_too(api: Api) -> None:
    """Another ends the run while its container still goes on."""
    this = runner(api)
    token = this.admitted()
    ok(api.propose(this.run, "RUNNING", headers=bearer(token)), 201)
    ok(api.propose(this.run, "CANCELLED", force=True), 201)
    for type_ in ("RUNNING", "COMPLETED", "SCHEDULED"):
        assert api.propose(this.run, type_, force=True, headers=bearer(token)).status_code == 401
    assert this.state() == "Cancelled"
    ended = this.say("end", token=token, outcome="completed")
    assert ended.status_code in (200, 401)
    assert this.state() == "Cancelled"


def test_a_cancelled_run_may_end_as_cancelled_only(api: Api) -> None:
    this = runner(api)
    token = this.admitted()
    ok(api.propose(this.run, "RUNNING", headers=bearer(token)), 201)
    ok(api.propose(this.run, "CANCELLING"), 201)
    refusal = ok(api.propose(this.run, "COMPLETED", headers=bearer(token)))
    assert (refusal["status"], refusal["state"]["type"]) == ("REJECT", "CANCELLING")


def test_the_runner_comes_by_its_hash(api: Api) -> None:
    answer = api.http.get(f"skylift/runner/{runner_sha256()}.py")
    assert answer.status_code == 200
    assert answer.content == (source if isinstance(source := runner_source(), bytes) else source.encode())
    assert "immutable" in answer.headers["Cache-Control"]
    refused(api.http.get(f"skylift/runner/{'0' * 64}.py"), 404, "runner")


def test_what_user_code_says_is_kept_whatever_it_holds(api: Api) -> None:
    this, other = runner(api), runner(api, "other")
    said = ok(this.say("end", token=this.admitted(), outcome="failed", reason="a\0b"))
    assert said["message"] == "a\ufffdb"
    token = other.admitted()
    ok(api.propose(other.run, "RUNNING", headers=bearer(token)), 201)
    ok(api.propose(other.run, "FAILED", headers=bearer(token), message="c\0d"), 201)
    assert api.read(other.run)["state"]["message"] == "c\ufffdd"
