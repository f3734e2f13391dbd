"""Bodies as senders send them: JSON, forms and CloudEvents, and the envelopes that clouds put around theirs.

Whatever came, a template finds the body as it was sent, and beside it `event`: the same few fields for every envelope.
What identifies an event is taken from the signed body where it is there; from headers only where nothing is signed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from skylift.errors import InvalidError
from skylift.json_text import fault_of
from skylift.webhooks.deliveries import MAX_BODY, Delivery
from skylift.webhooks.errors import MediaTypeError, TooLargeError

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 1_000
"""Of a form."""
_CE = "ce-"


@dataclass(frozen=True, slots=True)
class Payload:
    """A delivery that could be read."""

    body: Any = None
    """JSON; a form is an object of texts, or of lists of texts where a field comes more than once."""
    event: Mapping[str, Any] = field(default_factory=dict)
    """`id`, `type`, `source`, `subject`, `time`, `data` and `attributes`, where it is an event of a known kind."""
    identity: str | None = None
    """What the event is known by, from its body."""
    header_identity: str | None = None
    """What its headers say it is known by."""
    handshake: str | None = None
    """The code that Event Grid wants back before it sends anything."""

    @property
    def data(self) -> Any:
        """The event's own data, or the body where it is in no envelope."""
        return self.event["data"] if self.event else self.body


def read(delivery: Delivery) -> Payload:
    """Raises `TooLargeError`, `MediaTypeError`, and `InvalidError` where the body is not what its type says."""
    if len(delivery.body) > MAX_BODY:
        raise TooLargeError(f"The body has {len(delivery.body)} bytes, and webhooks take {MAX_BODY} at most")
    if delivery.media_type.startswith("application/cloudevents-batch"):
        raise MediaTypeError("Batches of CloudEvents are not read: have each event sent by itself")
    known = _identity_in_headers(delivery)
    if delivery.header("ce-specversion"):
        return _binary_cloud_event(delivery)
    body = _form(delivery.body) if delivery.media_type == FORM else _json(delivery)
    event, identity = _event(body)
    return Payload(body, event, identity, known, _handshake(body))


def _json(delivery: Delivery) -> Any:
    """JSON, whatever the type says: many senders say nothing, or `text/plain`. Without a body it is an empty object."""
    if not delivery.body.strip():
        return {}
    if delivery.media_type.startswith(("multipart/", "application/xml", "text/xml", "text/html", "image/")):
        raise MediaTypeError(f"The body is {delivery.media_type}: send JSON, a URL-encoded form or a CloudEvent")
    return _loads(delivery.body, "The body")


def _loads(text: bytes, what: str) -> Any:
    if fault := fault_of(text):
        raise InvalidError(fault, field="body")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidError(
            f"{what} is not valid JSON (line {error.lineno}, column {error.colno})", field="body"
        ) from None


def _form(body: bytes) -> dict[str, Any]:
    try:
        given = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except UnicodeDecodeError:
        raise InvalidError("The form is not UTF-8", field="body") from None
    except ValueError:
        raise InvalidError(f"The form has more than {MOST_FIELDS} fields", field="body") from None
    found: dict[str, Any] = {}
    for name, value in given:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _binary_cloud_event(delivery: Delivery) -> Payload:
    """A CloudEvent whose attributes are headers and whose data is the body."""
    attributes = {name[len(_CE) :]: value for name, value in delivery.headers.items() if name.startswith(_CE)}
    type_ = delivery.media_type
    if not delivery.body:
        data: Any = None
    elif not type_ or type_.endswith(("/json", "+json")):
        data = _loads(delivery.body, "The event's data")
    elif type_ == FORM:
        data = _form(delivery.body)
    elif type_.startswith("text/"):
        data = delivery.body.decode(errors="replace")
    else:
        raise MediaTypeError(f"The event's data is {type_}: JSON, a URL-encoded form and text are read")
    event, identity = _cloud_event({**attributes, "data": data})
    return Payload(data, event, None, identity or _identity_in_headers(delivery))


def _event(body: Any) -> tuple[dict[str, Any], str | None]:
    """The event in a body, and what it is known by."""
    first = body[0] if isinstance(body, list) and body and isinstance(body[0], dict) else body
    if not isinstance(first, dict):
        return {}, None
    if "eventType" in first and "eventTime" in first and "data" in first:
        return _event_grid(first, body)
    if not isinstance(body, dict):
        return {}, None
    if "specversion" in body:
        return _cloud_event(body)
    if "detail-type" in body and "detail" in body:
        return _event_bridge(body)
    if isinstance(body.get("message"), dict) and isinstance(body.get("subscription"), str):
        return _pub_sub(body)
    records = body.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], dict) and "eventSource" in records[0]:
        return _record(records[0])
    if body.get("object") == "event" and isinstance(body.get("id"), str):
        return {}, _joined("stripe", body["id"])
    return {}, None


def _cloud_event(body: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """In structured mode, or put together from headers. `id`, `source` and `type` must be there."""
    missing = [name for name in ("id", "source", "type") if not isinstance(body.get(name), str) or not body[name]]
    if missing:
        raise InvalidError(f"The CloudEvent has no {' and no '.join(missing)}", field="body")
    data = body.get("data")
    if data is None and isinstance(body.get("data_base64"), str):
        data = _decoded(body["data_base64"])
    standard = ("id", "source", "type", "subject", "time", "data", "data_base64", "specversion", "datacontenttype")
    event = {name: body.get(name) for name in ("id", "source", "type", "subject", "time")}
    event |= {"data": data, "attributes": {k: v for k, v in body.items() if k not in standard}}
    return event, _joined("cloudevent", body["source"], body["id"])


def _event_bridge(body: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    resources = body.get("resources")
    subject = resources[0] if isinstance(resources, list) and resources else None
    attributes = {name: body.get(name) for name in ("account", "region", "resources")}
    event = _fields(body, "id", "detail-type", "source", subject, body.get("time"), body["detail"], attributes)
    return event, _joined("eventbridge", body.get("source"), body.get("id"))


def _event_grid(first: dict[str, Any], body: Any) -> tuple[dict[str, Any], str | None]:
    """The first of its events: senders put one in a delivery, unless they are told to batch."""
    attributes = {"events": body if isinstance(body, list) else [body]}
    source = first.get("topic")
    event = _fields(
        first, "id", "eventType", "", first.get("subject"), first.get("eventTime"), first["data"], attributes
    )
    event["source"] = source
    return event, _joined("eventgrid", source, first.get("id"))


def _pub_sub(body: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """A push envelope. Its data is in base64; what is JSON inside is read."""
    message = body["message"]
    known = message.get("messageId") or message.get("message_id")
    attributes = message.get("attributes")
    event: dict[str, Any] = {
        "id": known,
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "source": body["subscription"],
        "subject": message.get("orderingKey"),
        "time": message.get("publishTime") or message.get("publish_time"),
        "data": _decoded(message.get("data")),
        "attributes": attributes if isinstance(attributes, dict) else {},
    }
    return event, _joined("pubsub", body["subscription"], known)


def _record(record: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """An S3 notification (or another with `Records`): its first record."""
    what = record.get("s3")
    stored = what.get("object") if isinstance(what, dict) else None
    thing = stored if isinstance(stored, dict) else {}
    answer = record.get("responseElements")
    request = answer.get("x-amz-request-id") if isinstance(answer, dict) else None
    data = record if what is None else what
    event = _fields(record, "", "eventName", "eventSource", thing.get("key"), record.get("eventTime"), data, {})
    event["id"] = request
    return event, _joined("record", request, thing.get("key"), thing.get("sequencer")) if request else None


def _fields(
    body: dict[str, Any], id_: str, type_: str, source: str, subject: Any, time: Any, data: Any, attributes: Any
) -> dict[str, Any]:
    named = {"id": body.get(id_), "type": body.get(type_), "source": body.get(source)}
    return {**named, "subject": subject, "time": time, "data": data, "attributes": attributes}


def _decoded(text: Any) -> Any:
    """What is in base64: JSON where it is that, else text."""
    if not isinstance(text, str):
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidError("The event's data is not base64", field="body") from None
    if fault_of(raw) is None:
        try:
            return json.loads(raw)
        except ValueError:
            pass
    return raw.decode(errors="replace")


def _handshake(body: Any) -> str | None:
    """Event Grid asks whether the address wants its events, and waits for this code."""
    first = body[0] if isinstance(body, list) and body else None
    if not isinstance(first, dict) or first.get("eventType") != "Microsoft.EventGrid.SubscriptionValidationEvent":
        return None
    data = first.get("data")
    code = data.get("validationCode") if isinstance(data, dict) else None
    return code if isinstance(code, str) and 0 < len(code) <= 200 else None


def _identity_in_headers(delivery: Delivery) -> str | None:
    for name in ("idempotency-key", "webhook-id", "x-github-delivery"):
        if value := delivery.header(name):
            return _joined(name, value)
    return None


def _joined(*parts: Any) -> str | None:
    """None unless all but what may be missing is text."""
    if not isinstance(parts[-1], str) or not parts[-1]:
        return None
    return json.dumps([part if isinstance(part, str) else "" for part in parts])
