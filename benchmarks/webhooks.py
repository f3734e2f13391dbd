"""How many deliveries a second a real `skylift serve` takes, each answered after its run is durable.

Connections that are kept open post signed deliveries for some seconds, each its next one as soon as the last is
answered; the service has a database of its own. There have to be as many runs afterwards as there were answers.
SQLite's commits wait for the disk (`synchronous = FULL`); PostgreSQL is the machine's own with default settings, so
that its commits wait for the disk, too.

`python -m benchmarks.webhooks [sqlite] [postgres]`
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urljoin

import httpx

from benchmarks import postgres
from benchmarks.posting import post, request
from benchmarks.table import print_machine, print_table
from skylift.models.webhooks import SignatureKind
from skylift.webhooks.signatures import sign
from tests.support.service import How, serving

SECONDS, CONNECTIONS = 10.0, 32
WARM_UP = 1.0
"""Seconds that are not counted: the first deliveries open connections and compile templates."""
MOST = 3_000
"""Deliveries a second that are made beforehand."""
SECRET = "a-secret-of-the-benchmark"
BAR = 500
TEMPLATE = {"parameters": {"order": "{{ body.order }}", "by": "{{ body.customer.name }}"}, "tags": ["{{ body.kind }}"]}
POOL = {"job_configuration": {"command": "{{ command }}"}, "variables": {"properties": {"command": {"type": "string"}}}}


def main() -> None:
    """Print the table. What is measured is not judged: other work on the machine takes its share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="sqlite|postgres")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    wanted = parser.parse_args()
    print_machine()
    print(f"Load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    rows: list[tuple[object, ...]] = []
    for kind in wanted.kinds or ("sqlite", "postgres"):
        with _service(kind) as url:
            rows += [(kind, *_measured(url, template, wanted)) for template in (None, TEMPLATE)]
    print(f"Load after: {os.getloadavg()[0]:.1f}")
    columns = ("Database", "template", "deliveries", "per second", "p50 ms", "p99 ms", "service's CPU ms", "runs")
    print_table(
        f"Deliveries, {wanted.connections} connections; the bar is {BAR} per second on an idle machine", columns, rows
    )


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
    address = urljoin(url, hook["path"])
    _post(address, 0, WARM_UP, wanted.connections)
    before, cpu = _runs(url), _service_cpu()
    took = _post(address, 1, wanted.seconds, wanted.connections)
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


def _post(address: str, turn: int, seconds: float, connections: int) -> list[float]:
    requests = [_delivery(address, turn * 10_000_000 + number) for number in range(int(seconds * MOST))]
    return post(address, requests, connections=connections, seconds=seconds, wanted=202)


def _delivery(address: str, order: int) -> bytes:
    body = json.dumps({"order": order, "customer": {"name": "Ada"}, "kind": "paid", "lines": [1, 2, 3]}).encode()
    return request(address, body, sign(SignatureKind.HMAC, SECRET, body, now=datetime.now(UTC)))


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


if __name__ == "__main__":
    main()
