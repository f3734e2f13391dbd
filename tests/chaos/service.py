"""`skylift serve` as a process, and its API."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from tests.chaos.evidence import Asked
from tests.chaos.forks import ROOT
from tests.chaos.place import Place
from tests.support.service import clean_environment


def free_port() -> int:
    """A service that is started again must be found where it was."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Service:
    """Over the place's database and home."""

    def __init__(self, place: Place, port: int) -> None:
        self.place, self.port = place, port
        self.process = subprocess.Popen(
            [sys.executable, "-m", "skylift", "serve", "--port", str(port)],
            env=clean_environment() | place.env,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout
        ready = self.process.stdout.readline()
        assert "ready" in ready, ready
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/", timeout=30)

    def end(self, number: signal.Signals) -> int:
        """Its exit code."""
        self.http.close()
        self.process.send_signal(number)
        code = self.process.wait(60)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    def call(self, method: str, path: str, body: object = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def run(self, deployment: UUID, *, at: datetime | None = None) -> str:
        """A new run's id; `at`: when it is due, now if not said."""
        details = {"scheduled_time": at.isoformat()} if at else {}
        body = {"state": {"type": "SCHEDULED", "state_details": details}}
        made: str = self.call("POST", f"deployments/{deployment}/create_flow_run", body)["id"]
        self.place.asked[made] = Asked("default", str(deployment))
        return made

    def state(self, run: str) -> str:
        read: str = self.call("GET", f"flow_runs/{run}")["state"]["type"]
        return read


@contextmanager
def serving(place: Place, port: int) -> Iterator[Service]:
    """Ended by SIGTERM where the test has not ended it."""
    service = Service(place, port)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.end(signal.SIGTERM)
