"""Whoever posts to a webhook or to the API, and posts the same again until they hear that it was taken."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from skylift.models.webhooks import SignatureKind
from skylift.webhooks.signatures import sign

PATIENCE = 200.0
"""Seconds; less than a signature is valid for."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Signs what it sends."""

    url: str
    secret: str

    def deliver(self, number: int) -> str:
        """The run that was made of this delivery."""
        body = json.dumps({"number": number}).encode()
        answer = _post(self.url, body, sign(SignatureKind.HMAC, self.secret, body, now=datetime.now(UTC)))
        run: str = answer["flow_run_id"]
        return run


@dataclass(frozen=True, slots=True)
class Caller:
    """Starts runs of a deployment."""

    url: str
    """The deployment's, in the API."""
    api_key: str

    def start(self, number: int) -> str:
        """The run that was made of this call."""
        body = json.dumps({"idempotency_key": f"call-{number}"}).encode()
        answer = _post(f"{self.url}/create_flow_run", body, {"Authorization": f"Bearer {self.api_key}"})
        run: str = answer["id"]
        return run


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    headers = {"Content-Type": "application/json", **headers}
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(httpx.HTTPError):  # nobody is there, or not in time
            answer = httpx.post(url, content=body, headers=headers, timeout=60)
            if answer.is_success:
                told: dict[str, str] = answer.json()
                return told
            assert answer.status_code >= 500, answer.text
        time.sleep(0.2)
    raise TimeoutError(f"{url} did not take {body!r}")
