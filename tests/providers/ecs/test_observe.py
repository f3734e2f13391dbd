"""Pure: what a task's description, or an event, says of an attempt."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift_ecs import events
from skylift_ecs.observe import observe

ATTEMPT = UUID(int=9)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ARN = "arn:aws:ecs:eu-central-1:123456789012:task/runs/0123456789abcdef0123456789abcdef"


def task(status: str = "STOPPED", **more: Any) -> dict[str, Any]:
    return {
        "taskArn": ARN,
        "lastStatus": status,
        "startedBy": f"skylift/{ATTEMPT}",
        "createdAt": NOW,
        "containers": [{"name": "run"}],
        "overrides": {"containerOverrides": [{"name": "run", "command": ["true"]}]},
        **more,
    }


def ended(exit_code: int | None = None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "run"}
    container |= {} if exit_code is None else {"exitCode": exit_code}
    container |= {} if reason is None else {"reason": reason}
    return task(stoppedAt=NOW, **{"containers": [container], "startedAt": NOW, **more})


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("PROVISIONING", "starting"),
        ("PENDING", "starting"),
        ("ACTIVATING", "starting"),
        ("RUNNING", "running"),
        ("DEACTIVATING", "running"),
        ("STOPPING", "running"),
        ("DEPROVISIONING", "running"),
        ("STOPPED", "ended"),
        ("DELETED", "gone"),
    ],
)
def test_phases(status: str, phase: str) -> None:
    assert observe(task(status, startedAt=NOW)).phase == phase


@pytest.mark.parametrize("code", [0, 1, 3, 137, 143])
def test_an_exit_code_is_told(code: int) -> None:
    seen = observe(ended(code, stopCode="EssentialContainerExited", stoppedReason="Essential container in task exited"))
    assert (seen.exit_code, seen.fault) == (code, None)


def test_the_exit_code_is_that_of_the_container_that_the_run_is_in() -> None:
    containers = [{"name": "sidecar", "exitCode": 0}, {"name": "run", "exitCode": 4}]
    assert observe(ended(containers=containers)).exit_code == 4


def test_out_of_memory() -> None:
    seen = observe(ended(137, "OutOfMemoryError: Container killed due to memory usage"))
    assert seen.exit_code == 137
    assert "OutOfMemoryError" in (seen.reason or "")
    assert "memory" in (seen.remedy or "")


@pytest.mark.parametrize("stop_code", ["SpotInterruption", "TerminationNotice", "InfrastructureHealth"])
def test_an_exit_code_of_a_task_whose_machine_was_taken_away_is_not_its_own(stop_code: str) -> None:
    seen = observe(ended(0, stopCode=stop_code, stoppedReason="Your Spot Task was interrupted."))
    assert (seen.exit_code, seen.fault) == (None, None)
    never = observe(ended(stopCode=stop_code, startedAt=None))
    assert never.fault == "capacity"


@pytest.mark.parametrize(
    ("reason", "fault", "remedy"),
    [
        ("CannotPullContainerError: pull image manifest: failed to resolve ref x/y:1: not found", "setup", "image"),
        ("CannotPullContainerError: toomanyrequests: You have reached your pull rate limit", "capacity", "registry"),
        ("CannotPullContainerError: dial tcp 1.2.3.4:443: i/o timeout", "setup", "subnets"),
        ("CannotPullContainerError: write /var/lib: no space left on device", "setup", "ephemeral_storage"),
        ("CannotPullContainerError: image manifest has no matching platform linux/amd64", "setup", "cpu_architecture"),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: AccessDeniedException",
            "setup",
            "role",
        ),
        ("ResourceInitializationError: failed to validate logger args: create stream: not found", "setup", "log group"),
        ("ResourceInitializationError: failed to download env files: s3 403", "setup", "bucket"),
        ("ResourceInitializationError: unable to pull secrets: connection issue: dial tcp", "setup", "subnets"),
        ("Timeout waiting for network interface provisioning to complete.", "capacity", "addresses"),
        ("Capacity is unavailable at this time. Please try again later", "capacity", "capacity_fallbacks"),
        ("RESOURCE:MEMORY", "capacity", "capacity_fallbacks"),
        ('CannotStartContainerError: exec: "nope": executable file not found in $PATH', "setup", "command"),
        ("ECS was unable to assume the role", "setup", "execution_role_arn"),
        ("Task failed to start for reasons unheard of", None, None),
    ],
)
@pytest.mark.parametrize("where", ["task", "container", "no containers"])
def test_what_never_began(reason: str, fault: str | None, remedy: str | None, where: str) -> None:
    made = ended(None, reason if where == "container" else None, stopCode="TaskFailedToStart", startedAt=None)
    made["stoppedReason"] = "Task failed to start" if where == "container" else reason
    if where == "no containers":
        made["containers"] = []
    seen = observe(made)
    assert (seen.phase, seen.exit_code, seen.fault) == ("ended", None, fault)
    assert reason in (seen.reason or "")
    assert remedy is None or remedy in (seen.remedy or "")


def test_who_was_stopped_before_the_start_has_no_fault() -> None:
    seen = observe(ended(stopCode="UserInitiated", stoppedReason="skylift: stopped", startedAt=None))
    assert (seen.phase, seen.exit_code, seen.fault) == ("ended", None, None)


VALUES = st.none() | st.integers() | st.sampled_from(["aws.ecs", "ECS Task State Change"]) | st.lists(st.none())


def an_event(detail: dict[str, Any]) -> dict[str, Any]:
    texts = {key: value.isoformat() for key, value in detail.items() if isinstance(value, datetime)}
    return {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {**detail, **texts}}


class TestEvents:
    def test_an_event_says_what_a_description_says(self) -> None:
        described = ended(3, stopCode="EssentialContainerExited", stoppedReason="Essential container in task exited")
        (heard,) = events.read(an_event(described))
        assert heard.attempt_id == ATTEMPT
        assert heard.observation == observe(described)

    @pytest.mark.parametrize(
        "change",
        [
            {"source": "my.app"},
            {"detail-type": "ECS Service Action"},
            {"detail": None},
            {"detail": {"startedBy": "ecs-svc/1", "taskArn": ARN}},
            {"detail": {"startedBy": f"skylift/{ATTEMPT}"}},
            {"detail": {"startedBy": f"skylift/{ATTEMPT}", "taskArn": ARN, "lastStatus": "STOPPED", "containers": 5}},
        ],
    )
    def test_what_is_about_something_else_says_nothing(self, change: dict[str, Any]) -> None:
        assert events.read({**an_event(ended(0)), **change}) == []

    @given(event=st.dictionaries(st.sampled_from(["source", "detail-type", "detail", "x"]), VALUES, max_size=4))
    def test_nothing_is_raised_for_what_is_not_understood(self, event: dict[str, Any]) -> None:
        assert events.read(event) == []

    @given(data=st.data())
    def test_not_even_where_a_part_of_it_is_wrong(self, data: st.DataObject) -> None:
        event = copy.deepcopy(an_event(ended(1, "reason", stopCode="TaskFailedToStart")))
        field = data.draw(st.sampled_from(sorted(event["detail"])))
        event["detail"][field] = data.draw(st.none() | st.integers() | st.text() | st.lists(st.integers()))
        for heard in events.read(event):
            assert heard.attempt_id == ATTEMPT
