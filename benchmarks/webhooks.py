"""Webhooks: deliveries to a real `skylift serve`, each signed, and answered once its run is in the database.

Clients are processes of their own with kept connections; the service is one process, as users start it. Nothing is
launched meanwhile: the pool is paused. On SQLite each transaction waits for the disk (`synchronous = FULL`); PostgreSQL
is the machine's own with default settings where there is one, so that its commits wait for the disk, too.

`python -m benchmarks.webhooks [sqlite] [postgres]`
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks import postgres
from benchmarks.table import print_machine, print_table
from skylift.models.webhooks import SignatureKind
from skylift.webhooks.signatures import sign
from tests.support.service import How, serving

SECONDS, CLIENTS = 10.0, 8
SECRET = "a-secret-of-the-benchmark"
BAR = 500
TEMPLATE = {"parameters": {"order": "{{ body.order }}", "by": "{{ body.customer.name }}"}, "tags": ["{{ body.kind }}"]}
POOL = {"job_configuration": {"command": "{{ command }}"}, "variables": {"properties": {"command": {"type": "string"}}}}


def main() -> None:
    """Print the table. What is measured is not judged: other work on the machine takes its share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="sqlite|postgres")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    wanted = parser.parse_args()
    print_machine()
    print(f"Load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    rows: list[tuple[object, ...]] = []
    for kind in wanted.kinds or ("sqlite", "postgres"):
        with _service(kind) as url:
            rows += [(kind, *_measured(url, template, wanted)) for template in (None, TEMPLATE)]
    print(f"Load after: {os.getloadavg()[0]:.1f}")
    columns = ("Database", "template", "deliveries", "per second", "p50 ms", "p99 ms", "service's CPU ms", "runs")
    print_table(f"Deliveries, {wanted.clients} clients; the bar is {BAR} per second on an idle machine", columns, rows)


@contextmanager
def _service(kind: str) -> Iterator[str]:
    """The URL of the API."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            with serving(Path(folder), How.PLAIN) as ready:
                yield ready.url
            return
        with postgres.cluster() as server:
            database = postgres.create(server, "skylift")
            with serving(Path(folder), How.PLAIN, SKYLIFT_DATABASE_URL=database) as ready:
                yield ready.url


def _measured(url: str, template: Any, wanted: argparse.Namespace) -> tuple[object, ...]:
    hook = _hook(url, template)
    before = _runs(url)
    with multiprocessing.get_context("spawn").Pool(wanted.clients) as clients:
        each = [(url, hook["path"], number, wanted.seconds) for number in range(wanted.clients)]
        cpu = _service_cpu()
        took = [one for some in clients.starmap(_deliver, each) for one in some]
        cpu = _service_cpu() - cpu
    made = _runs(url) - before
    if made != len(took):
        raise SystemExit(f"{len(took)} deliveries were answered, and {made} runs are there")
    cuts = quantiles(took, n=100)
    return (
        "yes" if template else "no",
        len(took),
        len(took) / wanted.seconds,
        cuts[49] * 1000,
        cuts[98] * 1000,
        cpu * 1000 / made,
        made,
    )


def _service_cpu() -> float:
    """Seconds that the service has computed: unlike the rate, other work on the machine changes it little."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(stat[1]) == os.getpid() and b"serve" in (folder / "cmdline").read_bytes():
                return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            continue  # it has ended
    raise SystemExit("The service is not to be found in /proc: this needs Linux")


def _hook(url: str, template: Any) -> dict[str, Any]:
    name = "with" if template else "without"
    with httpx.Client(base_url=url, timeout=60) as api:
        pool = {"name": name, "type": "process:push", "base_job_template": POOL, "is_paused": True}
        api.post("/work_pools/", json=pool).raise_for_status()
        flow = api.post("/flows/", json={"name": name}).raise_for_status().json()["id"]
        schema = {"type": "object", "properties": {"order": {"type": "integer"}, "by": {"type": "string"}}}
        body = {"name": name, "flow_id": flow, "work_pool_name": name, "parameter_openapi_schema": schema}
        body |= {"job_variables": {"command": "true"}}
        deployment = api.post("/deployments/", json=body).raise_for_status().json()["id"]
        hook = {"name": name, "deployment_id": deployment, "secret": SECRET, "template": template}
        made: dict[str, Any] = api.post("/skylift/webhooks/", json=hook).raise_for_status().json()
        return made


def _runs(url: str) -> int:
    return int(httpx.post(f"{url}/flow_runs/count", json={}, timeout=60).raise_for_status().json())


def _deliver(url: str, path: str, number: int, seconds: float) -> list[float]:
    """Deliver one after the other; says how long each took."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    took, end, count = [], time.monotonic() + seconds, 0
    while time.monotonic() < end:
        count += 1
        order = number * 10_000_000 + count
        body = json.dumps({"order": order, "customer": {"name": "Ada"}, "kind": "paid", "lines": [1, 2, 3]}).encode()
        signed = sign(SignatureKind.HMAC, SECRET, body, now=datetime.now(UTC))
        began = time.monotonic()
        connection.request("POST", path, body, {"Content-Type": "application/json"} | signed)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 202:
            raise RuntimeError(f"{answer.status} {told[:200]!r}")
        took.append(time.monotonic() - began)
    return took


if __name__ == "__main__":
    main()
