"""Bodies as their senders send them. The shapes are those of the vendors' documentation, with values of our own."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from skylift.errors import InvalidError
from skylift.webhooks.deliveries import MAX_BODY, Delivery
from skylift.webhooks.errors import MediaTypeError, TooLargeError
from skylift.webhooks.payloads import Payload, read

EVENT = {
    "specversion": "1.0",
    "type": "com.example.order.made",
    "source": "/orders",
    "id": "A-1",
    "time": "2026-03-01T12:00:00Z",
    "subject": "17",
    "region": "eu",
    "datacontenttype": "application/json",
    "data": {"total": 3},
}
"""CloudEvents 1.0, JSON format: structured mode. https://github.com/cloudevents/spec"""
BRIDGE = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111122223333",
    "time": "2021-11-12T00:00:00Z",
    "region": "ca-central-1",
    "resources": ["arn:aws:s3:::a-bucket"],
    "detail": {
        "bucket": {"name": "a-bucket"},
        "object": {"key": "example-key", "size": 5, "sequencer": "617f08299329d189"},
    },
}
"""Amazon S3 User Guide, "EventBridge event message structure"."""
S3 = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventTime": "2026-03-01T12:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
            "s3": {"bucket": {"name": "a-bucket"}, "object": {"key": "a.csv", "sequencer": "0055AED6DCD90281E5"}},
        }
    ]
}
"""Amazon S3 User Guide, "Event message structure"."""
PUB_SUB: dict[str, Any] = {
    "message": {
        "attributes": {"key": "value"},
        "data": base64.b64encode(b'{"total": 3}').decode(),
        "messageId": "2070443601311540",
        "message_id": "2070443601311540",
        "publishTime": "2021-02-26T19:13:55.749Z",
        "publish_time": "2021-02-26T19:13:55.749Z",
    },
    "subscription": "projects/myproject/subscriptions/mysubscription",
}
"""Google Cloud, "Push subscriptions": the wrapped message."""
GRID = [
    {
        "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
        "subject": "/blobServices/default/containers/c/blobs/file.txt",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2026-03-01T12:00:00Z",
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "data": {"api": "PutBlockList", "url": "https://a.blob.core.windows.net/c/file.txt"},
        "dataVersion": "",
        "metadataVersion": "1",
    }
]
"""Microsoft Learn, "Azure Event Grid event schema"."""
VALIDATION = [
    {
        "id": "2d1781af-3a4c-4d7c-bd0c-e34b19da4e66",
        "topic": "/subscriptions/s",
        "subject": "",
        "data": {"validationCode": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6", "validationUrl": "https://example.net/v"},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-03-01T12:00:00Z",
        "metadataVersion": "1",
        "dataVersion": "1",
    }
]
"""Microsoft Learn, "Endpoint validation with Event Grid event schema"."""


def json_of(body: Any, type_: str = "application/json", **headers: str) -> Payload:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read(Delivery(json.dumps(body).encode(), {"content-type": type_} | named))


def test_a_cloud_event_in_structured_mode() -> None:
    found = json_of(EVENT, "application/cloudevents+json; charset=utf-8")
    assert found.body == EVENT
    assert found.data == {"total": 3}
    assert (found.event["id"], found.event["type"], found.event["subject"]) == ("A-1", EVENT["type"], "17")
    assert found.event["attributes"] == {"region": "eu"}
    assert found.identity == '["cloudevent", "/orders", "A-1"]'
    in_base64 = {k: v for k, v in EVENT.items() if k != "data"} | {"data_base64": "AP8="}
    assert json_of(in_base64).data == "\x00\ufffd"


def test_a_cloud_event_in_binary_mode() -> None:
    headers = {f"ce-{name}": str(EVENT[name]) for name in ("specversion", "type", "source", "id", "subject", "region")}
    found = read(Delivery(b'{"total": 3}', headers | {"content-type": "application/json"}))
    assert found.body == found.data == {"total": 3}
    assert found.event["attributes"] == {"region": "eu"}
    assert found.identity is None, "headers are signed by nobody"
    assert found.header_identity == '["cloudevent", "/orders", "A-1"]'
    assert read(Delivery(b"hello", headers | {"content-type": "text/plain"})).data == "hello"
    assert read(Delivery(b"", headers)).data is None
    with pytest.raises(MediaTypeError):
        read(Delivery(b"\x00", headers | {"content-type": "application/octet-stream"}))


def test_clouds_envelopes() -> None:
    bridge = json_of(BRIDGE)
    assert bridge.data == BRIDGE["detail"]
    assert (bridge.event["type"], bridge.event["subject"]) == ("Object Created", "arn:aws:s3:::a-bucket")
    assert bridge.identity
    notified = json_of(S3)
    assert notified.event["subject"] == "a.csv"
    assert notified.data["bucket"]["name"] == "a-bucket"
    assert notified.identity
    pushed = json_of(PUB_SUB)
    assert pushed.data == {"total": 3}
    assert pushed.event["attributes"] == {"key": "value"}
    assert pushed.identity
    stored = json_of(GRID, aeg_event_type="Notification")
    assert stored.data["api"] == "PutBlockList"
    assert stored.identity
    assert stored.handshake is None
    assert json_of(GRID[0]).data == stored.data
    assert len({bridge.identity, notified.identity, pushed.identity, stored.identity}) == 4


def test_pub_sub_without_json_and_without_data() -> None:
    message: dict[str, Any] = dict(PUB_SUB["message"])
    for data, value in ((base64.b64encode("é".encode()).decode(), "é"), (None, None)):
        assert json_of(PUB_SUB | {"message": message | {"data": data}}).data == value
    with pytest.raises(InvalidError, match="base64"):
        json_of(PUB_SUB | {"message": message | {"data": "%"}})


def test_the_handshake_of_event_grid() -> None:
    assert json_of(VALIDATION).handshake == "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
    for data in ({}, {"validationCode": 1}, {"validationCode": ""}, {"validationCode": "x" * 500}, None):
        assert json_of([VALIDATION[0] | {"data": data}]).handshake is None


def test_stripes_events_are_known_by_their_ids() -> None:
    assert json_of({"id": "evt_1", "object": "event", "data": {"object": {}}}).identity == '["stripe", "evt_1"]'


def test_forms() -> None:
    form = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
    found = read(Delivery(b"a=1&b=x+y&a=%C3%A9&c=", form))
    assert found.body == {"a": ["1", "é"], "b": "x y", "c": ""}
    for wrong in (b"a=%ff", b"a=\xff", b"a&" * 2000):
        with pytest.raises(InvalidError):
            read(Delivery(wrong, form))


@pytest.mark.parametrize("type_", ["", "application/json", "text/plain", "application/vnd.github+json"])
def test_json_whatever_it_is_called(type_: str) -> None:
    assert read(Delivery(b' {"a": [1]} ', {"content-type": type_})).body == {"a": [1]}
    assert read(Delivery(b"", {"content-type": type_})).body == {}


@pytest.mark.parametrize(
    "body", [b"{", b"a=1", b"\xff", b'{"a": NaN}', b"[" * 500 + b"]" * 500, b'{"a": "\\ud800"}', b"1" * 5000, b"'a'"]
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidError):
        read(Delivery(body, {"content-type": "application/json"}))


def test_what_is_not_read() -> None:
    with pytest.raises(TooLargeError, match=str(MAX_BODY)):
        read(Delivery(b" " * (MAX_BODY + 1)))
    for type_ in ("multipart/form-data; boundary=x", "application/xml", "application/cloudevents-batch+json"):
        with pytest.raises(MediaTypeError):
            read(Delivery(b"[]", {"content-type": type_}))
    for left_out in ("id", "source", "type"):
        with pytest.raises(InvalidError, match=left_out):
            json_of({name: value for name, value in EVENT.items() if name != left_out})


@pytest.mark.parametrize(
    "body",
    [
        [],
        [[]],
        [1],
        "x",
        None,
        17,
        {"message": {}, "subscription": 1},
        {"message": {}, "subscription": "s"},
        {"Records": []},
        {"Records": [{}]},
        {"Records": [{"eventSource": 1, "s3": 1, "responseElements": []}]},
        {"detail-type": None, "detail": None, "resources": {}},
        [{"eventType": None, "eventTime": None, "data": None}],
        {"object": "event", "id": 1},
    ],
)
def test_what_only_looks_like_an_event_is_no_fault(body: Any) -> None:
    found = json_of(body)
    assert found.body == body
    assert found.handshake is None
