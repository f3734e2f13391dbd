"""A delivery at the door: what comes in over HTTP under `/hooks/`, and the answer that its sender is told.

The API and the functions of the platforms call the same; neither knows more of webhooks than this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy.exc import ProgrammingError

from skylift import replies, trigger
from skylift.errors import NotFoundError
from skylift.models.webhooks import Receipt
from skylift.parts import Parts
from skylift.replies import Reply
from skylift.webhooks.deliveries import Delivery

PREFIX = "/hooks/"
ORIGIN = "webhook-request-origin"


def deliver(parts: Parts, webhook_id: str, delivery: Delivery) -> Reply:
    """Make a run of this delivery; the same delivery again gets the same answer. Raises as `skylift.trigger.trigger`;
    then nothing was made."""
    return _told(trigger.trigger(parts, _id(webhook_id), delivery))


def deliver_all(parts: Parts, posted: Sequence[tuple[str, Delivery]]) -> list[Reply | Exception]:
    """As `deliver`, for what came in at the same moment: what one of them would raise is its answer."""
    asked = [(_id(webhook_id), delivery) for webhook_id, delivery in posted]
    answers = trigger.trigger_all(parts, asked)
    return [each if isinstance(each, Exception) else _told(each) for each in answers]


def consent(parts: Parts, webhook_id: str, delivery: Delivery) -> Reply:
    """Say that events may be sent here: CloudEvents' senders ask before the first one, and Event Grid with the token in
    the address."""
    trigger.verify(parts, _id(webhook_id), delivery)
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


def _id(text: str) -> UUID:
    """Of what is none, the one that no webhook has."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _told(answer: trigger.Answer) -> Reply:
    match answer:
        case trigger.Ping():
            return Reply(200, {"detail": "The webhook is there, and the signature is right"})
        case trigger.Handshake():
            return Reply(200, {"validationResponse": str(answer)})
        case Receipt():
            return Reply(202, answer.model_dump(mode="json"))
