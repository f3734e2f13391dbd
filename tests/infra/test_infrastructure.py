"""Plan, apply and destroy over a cloud of things that fails at every call in turn."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from skylift.provisioner import Handover, PoolIdentity, ProvisionError, Record
from skylift_infra.infrastructure import CloudInfrastructure
from tests.support.toy_cloud import ToyCloud, ToyProvisioner

POOL = PoolIdentity("nightly", "toy:push", uuid4())
ANSWERS = {"region": "north", "cluster": "skylift", "with_access_key": False}


def opened(cloud: ToyCloud, pool: PoolIdentity = POOL) -> CloudInfrastructure:
    return ToyProvisioner(cloud).open(pool, ANSWERS)


def applied(cloud: ToyCloud) -> list[Record]:
    """Apply it; the records that it left."""
    records: list[Record] = []
    opened(cloud).apply(records.append, lambda step: None)
    return records


def actions(infrastructure: CloudInfrastructure) -> dict[str, str]:
    return {step.key: step.action for step in infrastructure.plan().steps}


def test_everything_is_planned_made_and_then_nothing_is_left_to_do() -> None:
    cloud = ToyCloud()
    assert actions(opened(cloud)) == {"network": "create", "role": "create", "cluster": "create"}
    assert not cloud.calls, "planning only reads"
    records = applied(cloud)
    assert [len(each["resources"]) for each in records] == [1, 1, 2, 2, 3, 3]
    assert cloud.things["north/skylift"]["uses"] == ["id-of-north/network", "id-of-nightly-role"]
    plan = opened(cloud).plan()
    assert plan.changes == ()
    assert plan.as_json() == {
        "place": "toy cloud in region north",
        "changes": 0,
        "steps": [
            {"key": "network", "kind": "shared thing", "name": "north/network", "action": "nothing", "why": []},
            {"key": "role", "kind": "thing", "name": "nightly-role", "action": "nothing", "why": []},
            {"key": "cluster", "kind": "thing", "name": "north/skylift", "action": "nothing", "why": []},
        ],
    }
    before = len(cloud.calls)
    applied(cloud)
    assert len(cloud.calls) == before, "applying again changes nothing"
    opened(cloud).destroy(lambda record: None, lambda step: None)
    assert not cloud.things
    assert cloud.calls[-3:] == ["delete north/skylift", "delete nightly-role", "delete north/network"]


@pytest.mark.parametrize("acts_first", [False, True], ids=["fails", "loses its answer"])
@pytest.mark.parametrize("at", range(3))
def test_a_failure_anywhere_is_gone_on_from(at: int, acts_first: bool) -> None:
    cloud = ToyCloud(fail_at=at, acts_first=acts_first)
    with pytest.raises(ProvisionError):
        applied(cloud)
    applied(cloud)
    assert actions(opened(cloud)) == {"network": "nothing", "role": "nothing", "cluster": "nothing"}
    assert len(cloud.things) == 3
    cloud.fail_at, cloud.calls = at, []
    with pytest.raises(ProvisionError):
        opened(cloud).destroy(lambda record: None, lambda step: None)
    opened(cloud).destroy(lambda record: None, lambda step: None)
    assert not cloud.things


@pytest.mark.parametrize("acts_first", [False, True])
def test_what_was_begun_is_on_record_before_it_is_made(acts_first: bool) -> None:
    cloud = ToyCloud(fail_at=1, acts_first=acts_first)
    records: list[Record] = []
    with pytest.raises(ProvisionError):
        opened(cloud).apply(records.append, lambda step: None)
    assert set(records[-1]["resources"]) == {"network", "role"}


def test_drift_is_told_and_mended() -> None:
    cloud = ToyCloud()
    applied(cloud)
    cloud.things["north/skylift"]["value"] = "small"
    del cloud.things["nightly-role"]
    plan = opened(cloud).plan()
    assert [(step.key, step.action) for step in plan.changes] == [("role", "create"), ("cluster", "update")]
    applied(cloud)
    assert cloud.things["north/skylift"]["value"] == "big"
    cloud.things["north/skylift"]["value"] = "small"
    (step,) = opened(cloud).plan().changes
    assert (step.action, step.why) == ("update", ("its value is 'small'",))


def test_what_is_no_longer_wanted_is_told_and_removed() -> None:
    cloud = ToyCloud()
    applied(cloud)

    def without_cluster() -> CloudInfrastructure:
        made = opened(cloud)
        *made.resources, cluster = made.resources
        made.former = [cluster]
        made.handover = lambda made: Handover({}, {}, "cpu")
        return made

    (step,) = without_cluster().plan().changes
    assert (step.key, step.action) == ("cluster", "delete")
    without_cluster().apply(lambda record: None, lambda step: None)
    assert cloud.things.keys() == {"north/network", "nightly-role"}
    assert without_cluster().plan().changes == ()
    applied(cloud)
    without_cluster().destroy(lambda record: None, lambda step: None)
    assert not cloud.things


def test_what_is_somebody_elses_is_used_or_refused_and_never_removed() -> None:
    foreign: dict[str, Any] = {"tags": {}, "value": "theirs"}
    cloud = ToyCloud({"north/network": dict(foreign)})
    assert actions(opened(cloud))["network"] == "adopt"
    applied(cloud)
    assert cloud.things["north/network"] == foreign
    opened(cloud).destroy(lambda record: None, lambda step: None)
    assert cloud.things == {"north/network": foreign}
    cloud = ToyCloud({"nightly-role": dict(foreign)})
    with pytest.raises(ProvisionError, match="nightly-role"):
        opened(cloud).plan()
    opened(cloud).destroy(lambda record: None, lambda step: None)
    assert cloud.things == {"nightly-role": foreign}


def test_another_pools_things_are_not_ours() -> None:
    cloud = ToyCloud()
    applied(cloud)
    other = PoolIdentity("other", "toy:push", POOL.installation_id)
    with pytest.raises(ProvisionError, match="does not belong to this work pool"):
        opened(cloud, other).plan()


def test_a_cloud_that_tells_late_is_waited_for() -> None:
    cloud = ToyCloud(lag=3, not_ready=5)
    applied(cloud)
    assert len(cloud.things) == 3


def test_a_cloud_that_never_tells_is_given_up_with_a_way_on() -> None:
    cloud = ToyCloud(lag=10_000)
    infrastructure = opened(cloud)
    ticks = iter(range(10_000))
    infrastructure.clock = lambda: float(next(ticks))
    with pytest.raises(ProvisionError) as caught:
        infrastructure.apply(lambda record: None, lambda step: None)
    assert "not to be seen" in str(caught.value)
    assert caught.value.remedy
