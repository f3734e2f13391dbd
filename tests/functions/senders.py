"""Whoever posts to a webhook."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from skylift.models.webhooks import SignatureKind
from skylift.webhooks.signatures import sign


@dataclass(frozen=True, slots=True)
class Sender:
    """Signs what it sends, and sends the same again until it hears that it was taken."""

    url: str
    secret: str
    patience: float = 200.0
    """Seconds; less than a signature is valid for."""

    def deliver(self, number: int) -> str:
        """The run that was made of this delivery."""
        body = json.dumps({"number": number}).encode()
        headers = sign(SignatureKind.HMAC, self.secret, body, now=datetime.now(UTC))
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            answer = httpx.post(self.url, content=body, headers=headers, timeout=60)
            if answer.status_code == 202:
                run: str = answer.json()["flow_run_id"]
                return run
            assert answer.status_code >= 500, answer.text
            time.sleep(0.2)
        raise TimeoutError(f"Delivery {number} was not taken")
