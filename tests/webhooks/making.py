"""A webhook over an installation whose clock stands still, and deliveries to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from skylift.models.webhooks import SignatureKind
from skylift.store.tables import due, flow_runs, webhook_deliveries
from skylift.webhooks.signatures import sign
from tests.api.making import Api, api_of, ok

SECRET = "a-secret-of-some-length"


@dataclass
class Hooks:
    """An API with a deployment, and webhooks for it."""

    api: Api
    deployment: str = ""
    made: dict[str, Any] = field(default_factory=dict)

    def create(self, kind: str = "hmac", *, name: str = "hook", status: int = 201, **body: Any) -> dict[str, Any]:
        if not self.deployment:
            self.api.pool()
            self.deployment = self.api.deployment()["id"]
        body = {"name": name, "deployment_id": self.deployment, "kind": kind, "secret": SECRET} | body
        self.made = ok(self.api.http.post("skylift/webhooks/", json=body), status)
        return self.made

    def post(self, body: Any, *, headers: dict[str, str] | None = None, secret: str = SECRET, path: str = "") -> Any:
        """A delivery, signed; bytes are sent as they are. Headers of one's own come last."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = SignatureKind(self.made["kind"])
        signed = sign(kind, secret, content, now=self.api.place.clock.at)
        all_ = {"content-type": "application/json"} | signed | (headers or {})
        return self.api.http.post(f"http://skylift{path or self.made['path']}", content=content, headers=all_)

    def runs(self) -> list[Any]:
        return self.api.place.rows(flow_runs)

    def due(self) -> int:
        return len(self.api.place.rows(due))

    def lines(self) -> list[Any]:
        return sorted(self.api.place.rows(webhook_deliveries), key=lambda row: (row.received, row.id))


def hooks_of(url: str) -> Iterator[Hooks]:
    for api in api_of(url):
        yield Hooks(api)
