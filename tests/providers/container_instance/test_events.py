"""Event Grid's words on container groups, in both of its schemas and from both sources, and what is not for us."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift_container_instance import PROVIDER

ATTEMPT = UUID("0198aaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee")
GROUP = (
    "/subscriptions/s/resourceGroups/flows/providers/Microsoft.ContainerInstance/containerGroups/"
    f"nightly-report-{ATTEMPT.hex}"
)


def native(kind: str, operation: str, subject: str = GROUP) -> dict[str, Any]:
    data = {"resourceUri": subject, "operationName": f"Microsoft.ContainerInstance/containerGroups/{operation}"}
    return {"eventType": f"Microsoft.Resources.{kind}", "subject": subject, "data": data, "dataVersion": "2"}


def cloud_event(kind: str, **info: Any) -> dict[str, Any]:
    data = {"resourceInfo": {"id": GROUP, "type": "Microsoft.ContainerInstance/containerGroups", **info}}
    return {"specversion": "1.0", "type": f"Microsoft.ResourceNotifications.Resources.{kind}", "data": data}


@pytest.mark.parametrize(
    ("event", "phase"),
    [
        (native("ResourceDeleteSuccess", "delete"), "gone"),
        (native("ResourceActionSuccess", "stop/action"), "ended"),
        (native("ResourceWriteSuccess", "write"), "starting"),
        (cloud_event("Deleted"), "gone"),
        (cloud_event("CreatedOrUpdated", tags={"skylift-attempt": str(ATTEMPT)}), "starting"),
        (cloud_event("CreatedOrUpdated", tags={"skylift-attempt": "not an id"}), "starting"),
        (cloud_event("CreatedOrUpdated", tags=None), "starting"),
    ],
)
def test_what_is_about_a_run(event: dict[str, Any], phase: str) -> None:
    (heard,) = PROVIDER.read_event(event)
    assert heard.attempt_id == ATTEMPT
    assert heard.observation.phase == phase
    assert heard.observation.handle == GROUP


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {"validationCode": "x"}},
        native("ResourceWriteSuccess", "write", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/x"),
        native("ResourceDeleteSuccess", "delete", GROUP.rpartition("/")[0] + "/somebody-elses"),
        {"type": "Microsoft.Resources.ResourceWriteSuccess", "data": "text"},
        {"type": 7, "data": {"resourceUri": GROUP}},
        {"type": "Microsoft.Resources.ResourceWriteSuccess", "data": {"resourceInfo": [], "resourceUri": None}},
    ],
)
def test_what_is_not(event: dict[str, Any]) -> None:
    assert PROVIDER.read_event(event) == []


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.just(GROUP),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "resourceInfo", "id", "tags"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["type", "eventType", "subject", "data"]), json), st.booleans())
def test_nothing_is_raised(event: dict[str, Any], known: bool) -> None:
    PROVIDER.read_event({**event, "type": "Microsoft.Resources.ResourceDeleteSuccess"} if known else event)
