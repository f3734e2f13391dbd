"""A service that is killed in the midst of a storm of deliveries: what was answered is there, and nothing is halved."""

from __future__ import annotations

import itertools
import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from skylift.models.webhooks import SignatureKind
from skylift.store.tables import due, flow_runs, webhook_deliveries
from skylift.webhooks.signatures import sign
from tests.chaos.place import open_place, wait_until
from tests.chaos.service import free_port, serving
from tests.webhooks.making import SECRET

SENDERS, ENOUGH = 8, 30
Signed = tuple[bytes, dict[str, str]]


class Storm:
    """Senders that go on until the service is gone."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sent: dict[int, Signed] = {}
        self.answered: dict[int, dict[str, Any]] = {}
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]

    def begin(self) -> None:
        for each in self._threads:
            each.start()

    def wait(self) -> None:
        for each in self._threads:
            each.join(60)
            assert not each.is_alive()

    def _send(self) -> None:
        with httpx.Client(timeout=60) as client:
            for number in self._numbers:
                body = json.dumps({"n": number}).encode()
                self.sent[number] = body, sign(SignatureKind.HMAC, SECRET, body, now=datetime.now(UTC))
                try:
                    self.answered[number] = self.deliver(client, number)
                except httpx.TransportError:
                    return

    def deliver(self, client: httpx.Client, number: int) -> dict[str, Any]:
        body, headers = self.sent[number]
        answer = client.post(self.url, content=body, headers=headers)
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told


@pytest.mark.timeout(300)
def test_what_was_answered_outlives_the_service(store_url: str, tmp_path: Path) -> None:
    with open_place(store_url, tmp_path) as place:
        place.pool()
        deployment, port = place.deployment("bare", lasts=0), free_port()
        with serving(place, port) as service:
            service.http.patch("work_pools/pool", json={"is_paused": True}).raise_for_status()
            hook = {"name": "storm", "deployment_id": str(deployment), "secret": SECRET}
            made = service.call("POST", "skylift/webhooks/", hook | {"template": {"parameters": {"n": "{{ body.n }}"}}})
            storm = Storm(f"http://127.0.0.1:{port}{made['path']}")
            storm.begin()
            wait_until("answers", lambda: len(storm.answered) >= ENOUGH, 60)
            service.end(signal.SIGKILL)
        storm.wait()
        with place.parts.store.reading() as tx:
            runs = {str(row.id): row.parameters["n"] for row in tx.all(select(flow_runs))}
            lines = {str(row.flow_run_id) for row in tx.all(select(webhook_deliveries))}
            waiting = {str(row.flow_run_id) for row in tx.all(select(due))}
        assert {each["flow_run_id"]: number for number, each in storm.answered.items()}.items() <= runs.items()
        assert lines == waiting == runs.keys()
        with serving(place, port), httpx.Client(timeout=60) as client, ThreadPoolExecutor(SENDERS) as threads:
            again = dict(zip(storm.sent, threads.map(partial(storm.deliver, client), storm.sent), strict=True))
        assert storm.answered.items() <= again.items(), "those that were answered get the same answer"
        assert len({each["flow_run_id"] for each in again.values()}) == len(storm.sent)
        assert len(place.states()) == len(storm.sent)
