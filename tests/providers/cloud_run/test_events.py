"""What Google tells by itself about an execution's end: often enough twice, late, and in any order."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift_cloud_run import PROVIDER
from skylift_cloud_run.events import SINK_FILTER
from tests.clouds.google import LocalGoogle
from tests.clouds.google_logging import parse
from tests.providers.cloud_run.support import configuration, new_provider, under_runner, until
from tests.providers.contract import new_launch, wait_for, watch

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def entry_of(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.b64decode(event["message"]["data"]))
    return found


def test_each_end_is_heard_of_however_often_it_is_told(cloud: LocalGoogle) -> None:
    events: list[dict[str, Any]] = []
    cloud.listeners.append(events.append)
    cloud.events_come_twice = True
    provider = new_provider()
    launches = [
        new_launch(make)
        for make in (
            configuration(["true"], {}),
            configuration(["sh", "-c", "exit 3"], {}),
            under_runner(["true"]),
            under_runner(["sleep", "60"]),
        )
    ]
    handles = {each.attempt_id: provider.launch(each) for each in launches}
    for each in launches[:3]:
        until(provider, watch(each), "ended")
    provider.stop(watch(launches[3]), 0)
    wait_for(lambda: len(events), lambda count: count >= 7, 10)
    heard = [one for event in events for one in provider.read_event(event)]
    assert len(heard) == len(events) > len(launches)
    assert {one.attempt_id: one.observation.handle for one in heard} == handles
    codes = {one.attempt_id: one.observation.exit_code for one in heard}
    assert codes == {each.attempt_id: code for each, code in zip(launches, (0, None, 0, None), strict=True)}
    cancelled = next(one.observation for one in heard if one.attempt_id == launches[3].attempt_id)
    assert "cancelled" in str(cancelled.reason)


def test_the_forms_in_which_an_event_comes(cloud: LocalGoogle) -> None:
    events: list[dict[str, Any]] = []
    cloud.listeners.append(events.append)
    launch, provider = new_launch(configuration(["true"], {})), new_provider()
    provider.launch(launch)
    assert wait_for(lambda: events, bool, 10)
    pushed, entry = events[0], entry_of(events[0])
    cloud_event = {"type": "google.cloud.audit.log.v1.written", "data": entry}
    wrapped = {"type": "google.cloud.pubsub.topic.v1.messagePublished", "data": pushed}
    for form in (pushed, entry, cloud_event, wrapped):
        (heard,) = provider.read_event(form)
        assert heard.attempt_id == launch.attempt_id
        assert (heard.observation.phase, heard.observation.exit_code) == ("ended", 0)
    assert parse(SINK_FILTER)(entry)


@given(event=st.dictionaries(st.sampled_from(["message", "protoPayload", "data", "resource"]), JSON))
def test_an_event_that_is_not_understood_says_nothing(event: dict[str, Any]) -> None:
    assert list(PROVIDER.read_event(event)) == []


@given(
    path=st.lists(st.sampled_from(["response", "spec", "template", "containers", "env", "status"]), max_size=4),
    bad=JSON,
)
def test_a_broken_event_says_nothing_that_is_wrong(path: list[str], bad: Any) -> None:
    payload: dict[str, Any] = {"serviceName": "run.googleapis.com", "methodName": "/Jobs.RunJob"}
    inner = payload
    for name in path:
        inner[name] = {}
        inner = inner[name]
    inner["env"] = bad
    assert list(PROVIDER.read_event({"protoPayload": payload, "resource": bad})) == []


@pytest.mark.parametrize(
    "data", ["", "not base64 !", base64.b64encode(b"not json").decode(), base64.b64encode(b"[]").decode()]
)
def test_a_message_without_an_entry_says_nothing(data: str) -> None:
    assert list(PROVIDER.read_event({"message": {"data": data}})) == []


def test_other_entries_of_the_same_job_say_nothing(cloud: LocalGoogle) -> None:
    """A launch is in the audit log, too, by the name of the API's method."""
    entry = {
        "protoPayload": {"serviceName": "run.googleapis.com", "methodName": "google.cloud.run.v2.Jobs.RunJob"},
        "resource": {"labels": {"project_id": "p", "location": "r", "job_name": "j"}},
    }
    assert list(PROVIDER.read_event(entry)) == []
