"""Traces: what a function was about, as a part of X-Ray's trace, where the function is traced.

Without an SDK: X-Ray's own ones reach their end in February 2027, and OpenTelemetry's layer starts a collector with
each cold start. What is to be told is one JSON document for each thing done, by UDP to the daemon that Lambda runs
beside a traced function. Nobody waits for an answer, and nothing here can fail.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

Annotations = dict[str, str | int]
"""What traces can be searched by; X-Ray takes letters, digits and underscores in names."""
HEADER = b'{"format": "json", "version": 1}\n'


@contextmanager
def traced(name: str) -> Iterator[Annotations]:
    """One thing that is done; what is put into the annotations meanwhile is told at its end."""
    annotations: Annotations = {}
    began, failed = time.time(), True
    try:
        yield annotations
        failed = False
    finally:
        _tell(os.environ, name, began, annotations, failed=failed)


def _tell(env: Mapping[str, str], name: str, began: float, annotations: Annotations, *, failed: bool) -> None:
    # `Root=…;Parent=…;Sampled=1`: of this very event, and only where somebody will look at it.
    given = dict(part.split("=", 1) for part in env.get("_X_AMZN_TRACE_ID", "").split(";") if "=" in part)
    host, _, port = env.get("AWS_XRAY_DAEMON_ADDRESS", "").rpartition(":")
    if given.get("Sampled") != "1" or not {"Root", "Parent"} <= set(given) or not host or not port.isdigit():
        return
    about = {
        "type": "subsegment",
        "name": name,
        "id": secrets.token_hex(8),
        "trace_id": given["Root"],
        "parent_id": given["Parent"],
        "start_time": began,
        "end_time": time.time(),
        "annotations": annotations,
        **({"fault": True} if failed else {}),
    }
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
            daemon.sendto(HEADER + json.dumps(about).encode(), (host, int(port)))
    except OSError:  # no trace is worth a run
        return
