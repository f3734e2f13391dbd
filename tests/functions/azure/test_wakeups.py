"""Wakeups over the wire, by the storage SDK and Microsoft's own emulator."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from skylift.wakeups import Dispatch, Observe, Schedule
from skylift_functions.azure import queues
from skylift_functions.azure.platform import CLIENT, CONNECTION, ENDPOINT, QUEUES
from skylift_functions.azure.wakeups import KEPT, StorageQueueWakeups
from skylift_functions.messages import from_text
from tests.clouds.azurite import Azurite


@pytest.mark.long
def test_a_message_is_not_seen_before_its_time_and_lives_for_a_while_after_it(
    storage: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONNECTION, storage.connection_string)
    queues.client.cache_clear()
    service = storage.service()
    for name in QUEUES.values():
        service.create_queue(name)
    made, at = StorageQueueWakeups(), datetime.now(UTC) + timedelta(seconds=3)
    pool = Dispatch(UUID(int=7))
    for wakeup in (pool, Observe(), Schedule()):
        made.send(wakeup, at if wakeup is pool else datetime.now(UTC))
    assert made.flush()
    assert list(service.get_queue_client(QUEUES["dispatch"]).receive_messages()) == []
    for verb, wanted in (("observe", Observe()), ("schedule", Schedule())):
        (message,) = service.get_queue_client(QUEUES[verb]).receive_messages()
        assert from_text(message.content)[0] == wanted
    time.sleep(3)
    (message,) = service.get_queue_client(QUEUES["dispatch"]).receive_messages()
    assert from_text(message.content) == (pool, at)
    assert abs((message.expires_on - at).total_seconds() - KEPT) < 3
    storage.empty()


@pytest.mark.long
def test_a_queue_that_is_not_there_is_told_by_azures_code(
    storage: Azurite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(CONNECTION, storage.connection_string)
    queues.client.cache_clear()
    made = StorageQueueWakeups()
    made.send(Observe(), datetime.now(UTC))
    assert not made.flush()
    assert "QueueNotFound" in caplog.text
    queues.client.cache_clear()


def test_without_a_connection_string_the_queues_are_spoken_to_as_the_apps_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(CONNECTION, raising=False)
    monkeypatch.setenv(ENDPOINT, "https://skylift.queue.core.windows.net")
    monkeypatch.setenv(CLIENT, "of-the-identity")
    asked: dict[str, Any] = {}

    class Identity:
        def __init__(self, **given: Any) -> None:
            asked.update(given)

        def get_token(self, *_: str, **__: Any) -> None:
            raise AssertionError("nobody is spoken to yet")

    monkeypatch.setattr("azure.identity.ManagedIdentityCredential", Identity)
    for each in (queues.client, queues._identity):
        each.cache_clear()
    made = queues.client("skylift-dispatch")
    assert made.url == "https://skylift.queue.core.windows.net/skylift-dispatch"
    assert isinstance(made.credential, Identity)
    assert asked["client_id"] == "of-the-identity"
    assert asked["read_timeout"] <= 10
    for each in (queues.client, queues._identity):
        each.cache_clear()
