"""The platform as data: what it names exists, and the documentation says the same; what is missing is said."""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from skylift.registry import platform
from skylift_cloud_run.credentials import ENDPOINT
from skylift_functions.gcp import PLATFORM, references, sdk
from skylift_functions.gcp.installation import NEEDED, opened
from skylift_functions.gcp.platform import Function
from skylift_functions.gcp.telemetry import Lines, correlate, make_logger
from skylift_functions.sealing import SecretReferenceError
from tests.clouds.google_tasks import LocalGoogleCloud

PAGE = (Path(__file__).parents[3] / "docs" / "deploy" / "gcp-functions.md").read_text()
VERSION = "projects/acme/secrets/skylift-key/versions/latest"


def test_the_platform_is_found_by_its_entry_point() -> None:
    assert platform("gcp") is PLATFORM


@pytest.mark.parametrize("function", PLATFORM.functions, ids=lambda each: each.name)
def test_each_handler_exists_and_is_documented(function: Function) -> None:
    module, _, name = function.handler.rpartition(".")
    assert callable(getattr(import_module(module), name))
    assert f"| `{function.name}` |" in PAGE


def test_variables_and_permissions_are_documented() -> None:
    for name in PLATFORM.variables:
        assert f"| `{name}` |" in PAGE
    for each in PLATFORM.functions:
        for permission in each.permissions:
            assert f"`{permission}`" in PAGE


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({}, "SKYLIFT_DATABASE_URL_FROM"),
        ({"SKYLIFT_DATABASE_URL": "sqlite://"}, "SKYLIFT_API_URL"),
        ({"SKYLIFT_DATABASE_URL_FROM": "hunter2"}, "SKYLIFT_DATABASE_URL_FROM must be the name"),
        ({"SKYLIFT_DATABASE_URL_FROM": "/no/hunter2"}, "mount the secret there"),
        ({"SKYLIFT_DATABASE_URL": "postgresql://nowhere/db", **dict.fromkeys(NEEDED, "x")}, "SKYLIFT_SECRET_KEY_FROM"),
    ],
)
def test_what_is_missing_in_the_environment_is_said(env: dict[str, str], told: str) -> None:
    with pytest.raises(SecretReferenceError, match=told) as raised:
        opened(env, "dispatch")
    assert "hunter2" not in str(raised.value)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGoogleCloud]:
    with LocalGoogleCloud() as made:
        monkeypatch.setitem(os.environ, ENDPOINT, made.url)
        sdk._session.cache_clear()
        yield made
    sdk._session.cache_clear()


def test_a_secret_is_read_by_its_name_or_where_it_is_mounted(cloud: LocalGoogleCloud, tmp_path: Path) -> None:
    cloud.secrets.put("acme", "skylift-key", " value\n")
    (tmp_path / "mounted").write_text("value\n")
    for reference in (VERSION, VERSION.replace("latest", "1"), str(tmp_path / "mounted")):
        assert references.read(reference, "SKYLIFT_SECRET_KEY_FROM") == "value"


def test_a_secret_that_may_not_be_read_is_told_without_a_value(cloud: LocalGoogleCloud) -> None:
    cloud.secrets.put("acme", "skylift-key", "hunter2")
    cloud.allowed = frozenset()
    with pytest.raises(SecretReferenceError, match=r"HTTP 403.*roles/secretmanager.secretAccessor") as raised:
        references.read(VERSION, "SKYLIFT_SECRET_KEY_FROM")
    assert "hunter2" not in str(raised.value)


def test_keys_come_from_the_secret_one_a_line(cloud: LocalGoogleCloud) -> None:
    keys = [base64.urlsafe_b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
    cloud.secrets.put("acme", "skylift-key", keys[1])
    sealed = references.sealer({"SKYLIFT_SECRET_KEY_FROM": VERSION}).seal("value")
    cloud.secrets.put("acme", "skylift-key", "\n".join(keys))
    assert references.sealer({"SKYLIFT_SECRET_KEY_FROM": VERSION}).open(sealed) == "value"


@pytest.mark.parametrize(
    ("headers", "trace", "span"),
    [
        ({"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}, "a" * 32, "b" * 16),
        ({"X-Cloud-Trace-Context": f"{'a' * 32}/255;o=1"}, "a" * 32, "00000000000000ff"),
    ],
)
def test_lines_have_the_requests_trace(
    headers: dict[str, str], trace: str, span: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLIFT_QUEUE_OBSERVE", "projects/acme/locations/europe-west1/queues/observe")
    correlate("observe", headers)
    record = make_logger("observe").makeRecord("observe", logging.INFO, "", 0, "Heard", (), None, extra={"pool": "p"})
    line = json.loads(Lines().format(record))
    assert line["logging.googleapis.com/trace"] == f"projects/acme/traces/{trace}"
    assert line["logging.googleapis.com/spanId"] == span
    assert (line["severity"], line["message"], line["function"], line["pool"]) == ("INFO", "Heard", "observe", "p")
    correlate("observe", {})
