"""The platform as data: what it names exists, AWS knows it, and the documentation says the same."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from policy_sentry.querying.actions import get_action_data

from skylift.registry import platform
from skylift_functions.aws import PLATFORM
from skylift_functions.aws.installation import opened
from skylift_functions.aws.platform import TASK_CHANGES, Function
from skylift_functions.aws.references import ReferredSealer, SecretReferenceError
from tests.clouds.aws_backends import Backend
from tests.clouds.ecs_events import event_of

PAGE = (Path(__file__).parents[3] / "docs" / "deploy" / "aws-functions.md").read_text()
KEYS = ["x" * 43 + "=", "y" * 43 + "="]


def test_the_platform_is_found_by_its_entry_point() -> None:
    assert platform("aws") is PLATFORM


@pytest.mark.parametrize("function", PLATFORM.functions, ids=lambda each: each.name)
def test_each_handler_exists_and_is_documented(function: Function) -> None:
    module, _, name = function.handler.rpartition(".")
    assert callable(getattr(import_module(module), name))
    assert f"| `{function.name}` | `{function.handler}` |" in PAGE


@pytest.mark.parametrize("action", sorted({name for each in PLATFORM.functions for name in each.permissions}))
def test_each_permission_is_one_that_aws_knows_and_that_is_documented(action: str) -> None:
    service, name = action.split(":")
    assert get_action_data(service, name)
    assert f"`{action}`" in PAGE


def test_the_variables_and_the_rule_are_documented() -> None:
    for name in PLATFORM.variables:
        assert f"| `{name}` |" in PAGE
    assert json.dumps(TASK_CHANGES) in PAGE


@pytest.mark.parametrize(("status", "matches"), [("PENDING", False), ("RUNNING", True), ("STOPPED", True)])
def test_eventbridge_takes_the_rule_for_tasks_that_run_or_stopped(
    ministack: Backend, status: str, matches: bool
) -> None:
    about = {"taskArn": "arn:aws:ecs:eu-central-1:0:task/runs/1", "containers": [], "lastStatus": status}
    answer = ministack.client("events").test_event_pattern(
        EventPattern=json.dumps(TASK_CHANGES), Event=json.dumps(event_of(about))
    )
    assert answer["Result"] is matches


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({}, "SKYLIFT_DATABASE_URL_FROM"),
        ({"SKYLIFT_DATABASE_URL": "sqlite://"}, "SKYLIFT_API_URL"),
        ({"SKYLIFT_DATABASE_URL_FROM": "hunter2"}, "SKYLIFT_DATABASE_URL_FROM must be the ARN"),
    ],
)
def test_what_is_missing_in_the_environment_is_said(env: dict[str, str], told: str) -> None:
    with pytest.raises(SecretReferenceError, match=told) as raised:
        opened(env)
    assert "hunter2" not in str(raised.value)


def test_keys_are_read_when_they_are_needed_and_anew_after_a_while() -> None:
    now, asked, told = [0.0], [0], [KEYS[0]]

    def source() -> str:
        asked[0] += 1
        if not told[0]:
            raise SecretReferenceError
        return told[0]

    sealer = ReferredSealer(source, lambda: now[0])
    assert asked == [0]
    sealed = sealer.seal("value")
    assert asked == [1]
    told[0], now[0] = "\n".join(reversed(KEYS)), 301
    assert sealer.open(sealed) == "value"
    assert sealer.reseal(sealed)
    told[0], now[0] = "", 700
    assert sealer.open(sealed) == "value"  # what is known stays in use
