"""How Skylift's function `observe` is told of the ends of runs: Pub/Sub posts to it what comes to the topic.

Sources: cloud.google.com/pubsub/docs/push, cloud.google.com/pubsub/docs/authenticate-push-subscriptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from skylift.provisioner import ProvisionError
from skylift_infra.gcp.errors import seen, telling
from skylift_infra.gcp.names import has_labels
from skylift_infra.gcp.project import Project
from skylift_infra.resources import Found, Made, Resource

KEPT = "3600s"
"""An event that could not be told for so long is of no use: the timer has seen it."""
DEADLINE = 60


@dataclass(frozen=True, slots=True)
class Listener:
    """The address of `observe`, which is the audience of its callers' tokens, and as whom it is called."""

    url: str
    invoker: str


def listener(answer: str) -> Listener | None:
    """`url|account`; None where the answer is a topic. Raises `ProvisionError` for what is neither."""
    if "|" not in answer and "://" not in answer:
        return None
    url, _, invoker = answer.partition("|")
    if not re.fullmatch(r"https://[^\s|]+", url) or not re.fullmatch(r"[^@\s|]+@[^@\s|]+", invoker):
        raise ProvisionError(
            f"{answer!r} does not say whom to tell of ends, and as whom",
            remedy="Give --events-to a Pub/Sub topic, or the function 'observe' and the account that may call it: "
            "'https://…|invoker@project.iam.gserviceaccount.com'",
        )
    return Listener(url, invoker)


class Subscription(Resource):
    """Posts what comes to the topic, with a token of the invoker's."""

    kind = "Pub/Sub subscription"

    def __init__(
        self, project: Project, labels: Mapping[str, str], key: str, name: str, topic: str, told: Listener
    ) -> None:
        super().__init__(key, name, ("api-pubsub", "topic"))
        self.project, self.labels = project, labels
        self.full_name = f"{project.name}/subscriptions/{name}"
        token = {"serviceAccountEmail": told.invoker, "audience": told.url}
        self.wanted = {"topic": topic, "pushConfig": {"pushEndpoint": told.url, "oidcToken": token}}

    def look(self, made: Made) -> Found | None:
        found = seen(f"read the subscription {self.name}", self._methods().get(subscription=self.full_name))
        if not found:
            return None
        push = {**(found.get("pushConfig") or {})}
        push.pop("attributes", None)
        differences = [] if found.get("topic") == self.wanted["topic"] else ["which topic it is of"]
        differences += [] if push == self.wanted["pushConfig"] else ["whom it tells"]
        return Found({"name": self.full_name}, has_labels(found.get("labels"), self.labels), tuple(differences))

    def create(self, made: Made) -> None:
        body = {
            **self.wanted,
            "labels": dict(self.labels),
            "ackDeadlineSeconds": DEADLINE,
            "messageRetentionDuration": KEPT,
            "expirationPolicy": {},  # or else it goes when nothing was told for a month
            "retryPolicy": {"minimumBackoff": "1s", "maximumBackoff": "60s"},
        }
        with telling(f"create the subscription {self.name}", "ALREADY_EXISTS"):
            self._methods().create(name=self.full_name, body=body).execute()

    def mend(self, made: Made, found: Found) -> None:
        if "which topic it is of" in found.differences:  # which cannot be changed
            self.delete(found)
            self.create(made)
            return
        with telling(f"correct the subscription {self.name}"):
            body = {"pushConfig": self.wanted["pushConfig"]}
            self._methods().modifyPushConfig(subscription=self.full_name, body=body).execute()

    def delete(self, found: Found) -> None:
        with telling(f"delete the subscription {self.name}", "NOT_FOUND"):
            self._methods().delete(subscription=self.full_name).execute()

    def _methods(self) -> Any:
        return self.project.api("pubsub").projects().subscriptions()
