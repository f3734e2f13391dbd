"""The platform as data: the function app is what it says, host.json and the documentation say the same."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from skylift.registry import platform
from skylift_functions.azure import PLATFORM
from skylift_functions.azure.installation import opened
from skylift_functions.azure.platform import CONNECTION, ENDPOINT, MAX_DELIVERIES, TIMEOUT, Function, poison
from skylift_functions.sealing import SecretReferenceError
from tests.functions.azure.bench import FUNCTIONS

PAGE = (Path(__file__).parents[3] / "docs" / "deploy" / "azure-functions.md").read_text()
ROOT = Path(__file__).parents[3] / "functions" / "skylift_functions" / "azure" / "root"
BINDINGS = {name: trigger.get_dict_repr() for name, each in FUNCTIONS.items() if (trigger := each.get_trigger())}
COMPLETE = {
    "SKYLIFT_DATABASE_URL": "sqlite:////nowhere/skylift.db",
    "SKYLIFT_SECRET_KEY": "x" * 43 + "=",
    "SKYLIFT_API_URL": "https://skylift.example/api",
    ENDPOINT: "https://skylift.queue.core.windows.net",
}


def test_the_platform_is_found_by_its_entry_point() -> None:
    assert platform("azure") is PLATFORM


def test_the_app_has_the_functions_that_the_platform_names() -> None:
    assert {each.name for each in PLATFORM.functions} == set(BINDINGS)


@pytest.mark.parametrize("function", PLATFORM.functions, ids=lambda each: each.name)
def test_each_function_is_called_by_what_the_platform_says_and_documented(function: Function) -> None:
    binding = BINDINGS[function.name]
    kind = binding["type"]
    assert (kind == "httpTrigger") == bool(function.route)
    assert (kind == "timerTrigger") == bool(function.ticks)
    assert (kind == "queueTrigger") == bool(function.queue)
    assert (kind == "eventGridTrigger") == function.hears
    assert binding.get("route") == function.route
    assert binding.get("schedule") == function.ticks
    assert binding.get("queueName") == function.queue
    if function.queue:
        assert binding["connection"] == CONNECTION
        assert f"`{function.queue}`" in PAGE
    if function.route:
        assert binding["authLevel"] == func.AuthLevel.ANONYMOUS
        assert f"`/{function.route}`" in PAGE
    assert f"| `{function.name}` |" in PAGE


def test_host_json_says_what_the_code_goes_by() -> None:
    host: dict[str, Any] = json.loads((ROOT / "host.json").read_text())
    hours, minutes, seconds = (int(each) for each in host["functionTimeout"].split(":"))
    assert hours * 3600 + minutes * 60 + seconds == TIMEOUT
    assert host["extensions"]["http"]["routePrefix"] == ""
    queues = host["extensions"]["queues"]
    assert queues["maxDequeueCount"] == MAX_DELIVERIES
    assert queues["messageEncoding"] == "none"  # as the SDK sends them
    for name in ("maxPollingInterval", "batchSize", "maxDequeueCount", "visibilityTimeout"):
        assert f"| `{name}` | {queues[name]} |" in PAGE
    assert poison("skylift-dispatch") in PAGE


def test_settings_and_roles_are_documented() -> None:
    for name in PLATFORM.variables:
        assert f"| `{name}` |" in PAGE
    for role in {role for roles in PLATFORM.roles.values() for role in roles}:
        assert f"| {role} |" in PAGE


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"SKYLIFT_DATABASE_URL": ""}, "Set SKYLIFT_DATABASE_URL_FROM"),
        ({"SKYLIFT_SECRET_KEY": ""}, "Set SKYLIFT_SECRET_KEY_FROM"),
        ({"SKYLIFT_API_KEY_FROM": "hunter2"}, "SKYLIFT_API_KEY_FROM must be the address of a secret"),
        ({"SKYLIFT_API_KEY_FROM": "https://v.vault.azure.net/secrets/hunter2"}, "the app has none"),
        ({"SKYLIFT_SECRET_KEY": "@Microsoft.KeyVault(SecretUri=https://v/hunter2)"}, "SKYLIFT_SECRET_KEY refers to"),
        ({"SKYLIFT_API_KEY": "@Microsoft.KeyVault(SecretUri=https://v/hunter2)"}, "SKYLIFT_API_KEY refers to"),
        ({"SKYLIFT_API_URL": ""}, "Set SKYLIFT_API_URL"),
        ({ENDPOINT: ""}, f"Set {ENDPOINT} or {CONNECTION}"),
    ],
)
def test_what_is_missing_or_could_not_be_read_is_said(change: dict[str, str], told: str) -> None:
    with pytest.raises(SecretReferenceError, match=told) as raised:
        opened({**COMPLETE, **change})
    assert "hunter2" not in str(raised.value)


def test_the_newest_of_several_sealing_keys_seals_and_all_of_them_open() -> None:
    old = opened(COMPLETE).parts.sealer
    both = opened({**COMPLETE, "SKYLIFT_SECRET_KEY": "y" * 43 + "=\n" + COMPLETE["SKYLIFT_SECRET_KEY"]}).parts.sealer
    assert both.open(old.seal("value")) == "value"
    assert both.reseal(old.seal("value"))


def test_each_functions_module_is_named() -> None:
    for name in PLATFORM.modules:
        assert import_module(f"skylift_functions.azure.{name}")
