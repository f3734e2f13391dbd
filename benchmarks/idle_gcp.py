"""What an idle hour takes on Google Cloud, measured, and what an idle month costs at list prices.

Prices are those of Google's cheaper regions (Tier 1) in 2026, in US dollars, without the free tier, which covers most
of this in a project that does little else. The database has no price here: it is the one that you choose.

`python -m benchmarks.idle_gcp`
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import print_machine, print_table
from skylift_functions.gcp import PLATFORM
from tests.conftest import Databases
from tests.functions.gcp.idle import idle_hour
from tests.functions.idle import Hour

HOURS = 730
"""Of a month."""
SIZES = ((1, 1), (20, 3))
SCRIPT = """
import time
began = time.process_time()
import functions_framework, skylift_functions.gcp.schedule
print(time.process_time() - began)
"""

# https://cloud.google.com/run/pricing, /scheduler/pricing, /secret-manager/pricing, /artifact-registry/pricing,
# /stackdriver/pricing
REQUEST, CPU_SECOND, GIB_SECOND = 0.40 / 1e6, 0.000024, 0.0000025
SCHEDULER_JOB = 0.10
SECRET, SECRET_READ = 0.06, 0.03 / 10_000
IMAGE_GIB, ALERT = 0.10, 0.10

SECRETS, READS, ALERTS, IMAGES = 3, 2, 3, 0.6
"""What terraform/gcp makes: secrets, how many of them a cold start of `schedule` reads, alerts, and GiB of images."""


def main() -> None:
    """Measure and print."""
    print_machine()
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory(prefix="skylift-idle-") as folder:
        databases = Databases(Path(folder))
        for pools, each in SIZES:
            with databases.fresh("postgres") as url:
                hour = idle_hour(url, pools=pools, deployments=each)
            rows.append((pools, pools * each, hour.invocations, hour.transactions, hour.cpu * 1000))
        databases.close()
    print_table("An idle hour", ("Pools", "deployments", "invocations", "transactions", "CPU ms, warm"), rows)
    lines = list(prices(hour, cold_cpu()))
    total = ("together", sum(price for _, price in lines))
    print_table(
        "An idle month at list prices", ("What", "US$"), [(name, f"{price:.3f}") for name, price in (*lines, total)]
    )


def cold_cpu() -> float:
    """Seconds that a new process needs before `schedule` can look at its request."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    return float(done.stdout)


def prices(hour: Hour, cold: float) -> Iterator[tuple[str, float]]:
    """A month's, line by line; each invocation is counted as a cold start."""
    calls = hour.invocations * HOURS
    seconds = cold * calls + hour.cpu * HOURS
    yield "Cloud Run functions, requests", calls * REQUEST
    yield "Cloud Run functions, CPU", seconds * CPU_SECOND
    yield "Cloud Run functions, memory", seconds * PLATFORM.function("schedule").memory / 1024 * GIB_SECOND
    yield "Cloud Scheduler, one job", SCHEDULER_JOB
    yield "Cloud Tasks, Pub/Sub", 0.0
    yield "Secret Manager, secrets", SECRETS * SECRET
    yield "Secret Manager, read by cold starts", calls * READS * SECRET_READ
    yield "Artifact Registry, images", IMAGES * IMAGE_GIB
    yield "Cloud Monitoring, alerts", ALERTS * ALERT


if __name__ == "__main__":
    main()
