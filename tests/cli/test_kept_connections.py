"""Clients keep their connections: no answer over one waits until the one before it was acknowledged."""

from __future__ import annotations

import http.client
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.service import How, serving

DELAYED = 0.03
"""Seconds; the system acknowledges after 40 ms where nothing else is to be sent."""


def test_answers_come_at_once(tmp_path: Path) -> None:
    took = []
    with serving(tmp_path, How.PLAIN) as ready:
        parts = urlsplit(ready.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        for _ in range(60):
            began = time.perf_counter()
            connection.request("GET", f"{parts.path}/admin/version")
            connection.getresponse().read()
            took.append(time.perf_counter() - began)
        connection.close()
    assert min(took[30:]) < DELAYED, "the quickest of those that come after the connection's quick start"
