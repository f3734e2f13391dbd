"""What Azure tells of a container group, and what is made of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from skylift.provider import Observation
from skylift_container_instance.phases import Judgement, judge, needs_a_look
from skylift_container_instance.views import Container, Event, Group

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
BEGAN = NOW - timedelta(minutes=5)
GONE_IMAGE = Event("Failed", 'Failed to pull image "r.example/a:1": manifest unknown')
SLOW_REGISTRY = Event("Failed", 'Failed to pull image "r.example/a:1": i/o timeout')
FULL = Event(
    "InsufficientCapacity.", "The requested resource is not available in the location 'uksouth' at this moment."
)


def group(provisioning: str = "Succeeded", state: str | None = None, **more: Any) -> Group:
    return Group("/id", "name", {}, provisioning, state, **more)


def waiting(detail: str = "") -> Container:
    return Container("Waiting", detail=detail)


def ended(code: int | None, detail: str = "Completed", **more: Any) -> Container:
    return Container("Terminated", code, detail, BEGAN, NOW, **more)


def seen(found: Group, **more: Any) -> Observation:
    return judge(found, now=NOW, **more).observation


@pytest.mark.parametrize(
    ("found", "phase", "must_stop"),
    [
        (group("Pending"), "starting", False),
        (group("Creating", "Pending", container=waiting()), "starting", False),
        (
            group("Creating", "Pending", container=waiting(), events=(Event("Pulling", "pulling image"),)),
            "starting",
            False,
        ),
        (group("Creating", "Pending", container=waiting(), events=(SLOW_REGISTRY,)), "starting", False),
        (group("Creating", "Pending", container=waiting(), events=(SLOW_REGISTRY,) * 3), "ended", True),
        (group("Failed", "Pending", container=waiting(), events=(SLOW_REGISTRY,)), "ended", True),
        (group("Creating", "Pending", container=waiting(), events=(GONE_IMAGE,)), "ended", True),
        (group("Failed", events=(FULL,)), "ended", True),
        (group("Failed"), "ended", True),
        (group("Failed", "Failed", container=waiting()), "ended", False),
        (group("Succeeded", "Running", container=Container("Running", started_at=BEGAN)), "running", False),
        (group("Repairing", "Running", container=Container("Running", started_at=BEGAN)), "running", False),
        (group("Unhealthy", "Pending", container=Container("Waiting", started_at=BEGAN)), "running", False),
        (group("Failed", "Running", container=Container("Running", started_at=BEGAN)), "running", False),
        (group("Succeeded", "Succeeded", container=ended(0)), "ended", False),
        (group("Succeeded", "Running", container=ended(0)), "ended", False),
        (group("Succeeded", "Stopped", container=waiting()), "ended", False),
        (group("Succeeded", "Stopped"), "ended", False),
        (group("Succeeded", "Succeeded", container=Container("Terminated")), "ended", False),
        (group("Deleting", "Running", container=Container("Running", started_at=BEGAN)), "running", False),
    ],
)
def test_phases(found: Group, phase: str, must_stop: bool) -> None:
    judgement: Judgement = judge(found, now=NOW)
    assert judgement.observation.phase == phase
    assert judgement.must_stop is must_stop


@pytest.mark.parametrize(
    ("container", "code", "words"),
    [
        (ended(0), 0, None),
        (ended(3, "Error"), 3, None),
        (ended(137, "OOMKilled"), 137, "memory"),
        (ended(137, "Error"), 137, "memory"),
        (ended(143, "Error"), 143, "SIGTERM"),
        (ended(1, "ContainerCannotRun"), 1, "ContainerCannotRun"),
        (ended(0, restarts=2), 0, "restarted it 2 times"),
    ],
)
def test_how_it_ended(container: Container, code: int, words: str | None) -> None:
    observation = seen(group("Succeeded", "Failed", container=container))
    assert observation.exit_code == code
    assert observation.fault is None
    assert (observation.started_at, observation.ended_at) == (BEGAN, NOW)
    if words is None:
        assert observation.reason is None
    else:
        assert words in str(observation.reason)


@pytest.mark.parametrize("code", [0, 143, 137, None])
def test_who_was_stopped_has_not_completed(code: int | None) -> None:
    """A program that ends with 0 when it is asked to has not done its work: cancelled is not succeeded."""
    observation = seen(group("Succeeded", "Stopped", container=ended(code)))
    assert observation.exit_code != 0
    assert "stopped" in str(observation.reason)


@pytest.mark.parametrize(
    ("event", "fault", "remedy"),
    [
        (GONE_IMAGE, "setup", "image_registry"),
        (Event("Failed", "Failed to pull image: unauthorized: authentication required"), "setup", "AcrPull"),
        (Event("BackOff", 'Back-off pulling image "a"', 3), "setup", "image"),
        (Event("ErrImagePull", "rpc error", 3), "setup", "image"),
        (Event("InaccessibleImage", "not accessible"), "setup", "image"),
        (Event("Failed", 'exec: "flow": executable file not found in $PATH'), "setup", "command"),
        (Event("FailedMount", "AzureFileVolume: permission denied", 3), "setup", "volumes"),
        (Event("Failed", "the subnet is full", 3), "setup", "subnet_ids"),
        (FULL, "capacity", "capacity_fallbacks"),
        (Event("Failed", "container group quota 'StandardCores' exceeded"), "capacity", "quota"),
    ],
)
def test_what_keeps_it_from_starting(event: Event, fault: str, remedy: str) -> None:
    observation = seen(group("Creating", "Pending", container=waiting(), events=(event,)))
    assert (observation.phase, observation.fault, observation.exit_code) == ("ended", fault, None)
    assert remedy in str(observation.remedy)
    assert event.message.rstrip(".") in str(observation.reason)
    again = seen(group("Succeeded", "Stopped", container=waiting(), events=(event,)))
    assert (again.fault, again.reason) == (fault, observation.reason), "and so it stays once it is stopped"


def test_an_image_with_an_odd_name_is_no_trouble() -> None:
    pulling = Event("Pulling", 'pulling image "r.example/unknown:not found"', kind="Normal")
    assert seen(group("Creating", "Pending", container=waiting(), events=(pulling,))).phase == "starting"


def test_what_has_begun_has_no_fault() -> None:
    running = Container("Running", started_at=BEGAN)
    assert seen(group("Succeeded", "Running", container=running, events=(GONE_IMAGE,))).phase == "running"
    assert seen(group("Failed", "Failed", container=ended(1), events=(FULL,))).fault is None


def test_beyond_its_time_limit() -> None:
    running = group("Succeeded", "Running", container=Container("Running", started_at=BEGAN))
    assert seen(running, time_limit=301).phase == "running"
    late = judge(running, now=NOW, time_limit=299)
    assert late.must_stop
    assert late.observation.phase == "running", "until it is stopped"
    over = seen(group("Succeeded", "Stopped", container=ended(0)), time_limit=299)
    assert over.exit_code is None
    assert "time limit of 299 s" in str(over.reason)
    assert "time limit" not in str(seen(group("Succeeded", "Stopped", container=ended(0)), time_limit=301).reason)


def test_which_need_a_look() -> None:
    assert not needs_a_look(group("Pending"))
    assert needs_a_look(group("Creating"))
    assert needs_a_look(group("Succeeded", "Running"))
    assert not needs_a_look(group("Succeeded", "Running", container=ended(0)))


def test_clocks_of_the_cloud_may_disagree() -> None:
    backwards = Container("Terminated", 0, "Completed", NOW, BEGAN)
    observation = seen(group("Succeeded", "Succeeded", container=backwards))
    assert observation.started_at == observation.ended_at == NOW
