"""A delivery at the door: what comes in over HTTP under `/hooks/`, and the answer that its sender is told.

The API and the functions of the platforms call the same; neither knows more of webhooks than this.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.exc import ProgrammingError

from skylift import replies, trigger
from skylift.errors import InvalidError, NotFoundError
from skylift.json_text import fault_of
from skylift.parts import Parts
from skylift.replies import Reply
from skylift.webhooks.deliveries import MAX_BODY, Delivery
from skylift.webhooks.errors import TooLargeError

PREFIX = "/hooks/"
ORIGIN = "webhook-request-origin"


def deliver(parts: Parts, webhook_id: str, delivery: Delivery) -> Reply:
    """Make a run of this delivery; the same delivery again gets the same answer. Raises as `skylift.trigger.trigger`;
    then nothing was made."""
    _check(delivery)
    if delivery.header("x-github-event") == "ping":
        trigger.verify(parts, _known(webhook_id), delivery)
        return Reply(200, {"detail": "The webhook is there, and the signature is right"})
    receipt = trigger.trigger(parts, _known(webhook_id), delivery)
    if isinstance(receipt, trigger.Handshake):
        return Reply(200, {"validationResponse": str(receipt)})
    return Reply(202, receipt.model_dump(mode="json"))


def consent(parts: Parts, webhook_id: str, delivery: Delivery) -> Reply:
    """Say that events may be sent here: CloudEvents' senders ask before the first one, and Event Grid with the token in
    the address."""
    _check(delivery)
    trigger.verify(parts, _known(webhook_id), delivery)
    headers = {"Allow": "POST"}
    if origin := delivery.header(ORIGIN):
        headers |= {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
    return Reply(200, {}, headers)


VERBS = {"POST": deliver, "OPTIONS": consent}


def answer(parts: Parts, method: str, path: str, delivery: Callable[[], Delivery]) -> Reply:
    """For functions that have no web framework around them: what the sender is told, whatever happens."""
    verb = VERBS.get(method)
    try:
        if not path.startswith(PREFIX):
            raise NotFoundError("There is nothing here but webhooks: their addresses are /hooks/ and an id")
        if not verb:
            return Reply(405, {"detail": "Deliveries are posted"}, {"Allow": ", ".join(VERBS)})
        webhook_id, delivered = path.removeprefix(PREFIX), delivery()
        try:
            return verb(parts, webhook_id, delivered)
        except ProgrammingError:  # the tables may be those of an older version, whose last tick is yet to come
            parts.store.ensure_current()
            return verb(parts, webhook_id, delivered)
    except Exception as error:
        return replies.of_error(error, f"{method} {path}")


def _check(delivery: Delivery) -> None:
    """Before anything is looked up."""
    if len(delivery.body) > MAX_BODY:
        raise TooLargeError(f"The body has {len(delivery.body)} bytes, and webhooks take {MAX_BODY} at most")
    if any("\0" in text for pair in delivery.query.items() for text in pair):
        raise InvalidError("A path or query may not hold NUL characters")
    if fault := fault_of(delivery.body):
        raise InvalidError(fault)


def _known(webhook_id: str) -> UUID:
    try:
        return UUID(webhook_id)
    except ValueError:
        raise NotFoundError("There is no webhook here: its address is /hooks/ and its id") from None
