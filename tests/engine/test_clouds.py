"""What the engine makes of what only clouds say and do: against the cloud in memory, on both databases."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from skylift import admission, observe
from skylift.dispatch import dispatch
from skylift.errors import ForbiddenError
from skylift.ids import token_hash
from skylift.models.pools import PoolSettings, WorkPoolUpdate
from skylift.provider import Launch, OutOfCapacity, Quota, Throttled, Unreachable
from skylift.rendering import pool_configuration
from skylift.store import pools
from skylift.store.tables import attempts as attempts_table
from skylift.store.tables import quota_buckets
from tests.engine.test_dispatch import cancel, kinds, look, message, started
from tests.support.cloud import TEMPLATE
from tests.support.installation import Installation

PLACES: dict[str, Any] = {
    "variables": {
        "type": "object",
        "properties": {
            **TEMPLATE["variables"]["properties"],
            "zone": {"type": "string", "default": "a"},
            "capacity_fallbacks": {
                "type": "array",
                "items": {"type": "object"},
                "default": [{"zone": "b"}, {"zone": "c", "cpu": 2}],
            },
        },
    },
    "job_configuration": {**TEMPLATE["job_configuration"], "zone": "{{ zone }}"},
}


def launched(place: Installation) -> UUID:
    pool = place.pool()
    run = place.run(place.deployment().id)
    assert dispatch(place.parts, pool.id).launched == 1
    return run


def test_what_can_never_start_crashes_at_once_with_the_remedy(place: Installation) -> None:
    run = launched(place)
    next(iter(place.cloud.alive().values())).end(None, "setup")
    look(place)
    assert place.row(run).state_type == "CRASHED"
    assert message(place, run) == "It could not start: The cloud's own words. What to do"
    assert place.row(run).infrastructure_retries == 0


def test_who_found_no_room_after_all_waits_without_losing_a_retry(place: Installation) -> None:
    run = launched(place)
    next(iter(place.cloud.alive().values())).end(None, "capacity")
    look(place)
    row = place.row(run)
    assert (row.state_name, row.infrastructure_retries, row.launch_delays) == ("AwaitingRetry", 0, 1)
    assert not place.rows(attempts_table)


def test_who_is_admitted_has_begun_whatever_the_cloud_says(place: Installation) -> None:
    run, attempt, nonce = started(place)
    place.store.transaction(admission.admit, place.parts.sealer, attempt, "a", nonce)
    place.cloud.containers[attempt].end(None, "capacity")
    look(place, 91)
    assert place.row(run).state_type == "CRASHED"


def test_a_refused_run_goes_from_place_to_place(place: Installation) -> None:
    pool = place.pool(base_job_template=PLACES)
    place.run(place.deployment().id)
    seen: list[tuple[str, int | None]] = []

    def refuse(launch: Launch) -> str:
        seen.append((launch.configuration["zone"], launch.configuration.get("cpu")))
        raise OutOfCapacity("No room")

    place.cloud.launch = refuse  # type: ignore[method-assign]
    for _ in range(4):
        dispatch(place.parts, pool.id)
        place.clock.advance(400)
    assert seen == [("a", None), ("b", None), ("c", 2), ("a", None)]


def test_a_late_launch_of_a_cancelled_run_is_waited_for_and_stopped(place: Installation) -> None:
    place.cloud.remembers_stops = False
    pool = place.pool()
    run = place.run(place.deployment().id)
    late: list[Launch] = []

    def held_up(launch: Launch) -> str:
        late.append(launch)
        raise Unreachable("No answer")

    real, place.cloud.launch = place.cloud.launch, held_up  # type: ignore[method-assign]
    assert dispatch(place.parts, pool.id).unknown == 1
    place.cloud.launch = real  # type: ignore[method-assign]
    cancel(place, run)
    look(place, 1)
    assert place.row(run).state_type == "CANCELLING", "its launch may yet arrive"
    place.cloud.launch(late[0])
    look(place, 31)
    assert not place.cloud.alive()
    look(place, 40)
    assert place.row(run).state_type == "CANCELLED"
    assert not place.rows(attempts_table)


def test_a_launch_that_never_arrives_ends_the_wait(place: Installation) -> None:
    place.cloud.remembers_stops = False
    pool = place.pool()
    run = place.run(place.deployment().id)
    place.cloud.fail_before = [Unreachable("No answer")]
    dispatch(place.parts, pool.id)
    cancel(place, run)
    look(place, 30)
    assert place.row(run).state_type == "CANCELLING"
    look(place, 40)
    assert place.row(run).state_type == "CANCELLED"


def test_throttling_empties_the_bucket_that_all_share(place: Installation) -> None:
    place.cloud.allowed = Quota(rate=0.01, burst=10, key="account/region")
    pool = place.pool()
    deployment = place.deployment()
    for _ in range(3):
        place.run(deployment.id)
    place.cloud.fail_before = [Throttled("Slow down")]
    dispatch(place.parts, pool.id)
    (bucket,) = place.rows(quota_buckets)
    assert (bucket.key, bucket.tokens) == ("account/region", 0)
    place.run(deployment.id)
    place.clock.advance(1)
    assert dispatch(place.parts, pool.id).claimed == 0


def test_a_pool_may_know_its_quota_better(place: Installation) -> None:
    place.cloud.allowed = Quota(rate=1000, burst=1000, key="account/region")
    pool = place.pool(settings=PoolSettings(launch_rate=0.5, launch_burst=2))
    deployment = place.deployment()
    for _ in range(5):
        place.run(deployment.id)
    assert dispatch(place.parts, pool.id).launched == 2
    place.clock.advance(2)
    assert dispatch(place.parts, pool.id).launched == 1
    (bucket,) = place.rows(quota_buckets)
    assert bucket.key == "account/region"


def test_a_pool_with_a_secret_admits_nobody_without_it(place: Installation) -> None:
    _, attempt, nonce = started(place)

    def set_secrets(*accepted: str) -> None:
        settings = PoolSettings(admission_secrets=[token_hash(each) for each in accepted])
        place.store.transaction(pools.update_pool, "pool", WorkPoolUpdate(settings=settings))

    def admit(secret: str | None) -> None:
        place.store.transaction(admission.admit, place.parts.sealer, attempt, "a", nonce, secret)

    set_secrets("old", "new")
    for wrong in (None, "", "guess"):
        with pytest.raises(ForbiddenError):
            admit(wrong)
    admit("old")
    admit("new")


def test_an_event_makes_a_look_come_sooner(place: Installation) -> None:
    run = launched(place)
    ((attempt, container),) = place.cloud.alive().items()
    observe.observe(place.parts)
    container.end(0)
    for event in ({}, {"attempt": "6f6f6f6f-0000-4000-8000-000000000000"}):
        observe.hear(place.parts, place.cloud.type, event)
        assert place.row(run).state_type != "COMPLETED"
    for _ in range(2):
        observe.hear(place.parts, place.cloud.type, {"attempt": str(attempt)})
        assert place.row(run).state_type == "COMPLETED"
    assert kinds(place, run).count("ended") == 1


def test_an_event_is_not_believed(place: Installation) -> None:
    run = launched(place)
    (attempt,) = place.cloud.alive()
    observe.hear(place.parts, place.cloud.type, {"attempt": str(attempt)})
    assert place.row(run).state_type != "COMPLETED"
    assert place.cloud.alive()


def test_the_secrets_of_a_run_reach_its_provider(place: Installation) -> None:
    pool = place.pool()
    env = {"API_TOKEN": "tell-nobody", "PLAIN": "anything"}
    place.run(place.deployment(job_variables={"command": "x", "env": env}).id)
    dispatch(place.parts, pool.id)
    (container,) = place.cloud.alive().values()
    assert container.launch.secrets == {"tell-nobody"}


def test_the_defaults_of_a_pool_are_rendered_for_its_provider(place: Installation) -> None:
    named = {**PLACES["job_configuration"], "name": "{{ ctx.flow.name }}-{{ ctx.flow_run.id }}-{{ ctx.deployment.id }}"}
    pool = place.pool(base_job_template={**PLACES, "job_configuration": named})
    broken = {"variables": {"properties": {"zone": {"type": "string"}}, "required": ["zone"]}, "job_configuration": {}}
    other = place.pool("other", base_job_template=broken)
    with place.store.reading() as tx:
        assert pool_configuration(place.parts, tx, pool)["zone"] == "a"
        assert pool_configuration(place.parts, tx, other) == {}
