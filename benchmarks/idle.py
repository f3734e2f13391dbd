"""What an idle hour takes on AWS, measured, and what an idle month costs at list prices.

Prices are those that AWS listed for us-east-1 in 2026, in US dollars, without the free tier, which covers most of this
in an account that does little else. The database has no price here: it is the one that you choose.

`python -m benchmarks.idle`
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import print_machine, print_table
from skylift_functions.aws import PLATFORM
from tests.conftest import Databases
from tests.functions.aws.idle import idle_hour
from tests.functions.idle import Hour

HOURS = 730
"""Of a month."""
SIZES = ((1, 1), (20, 3), (100, 10))
SCRIPT = """
import time
began = time.process_time()
import skylift_functions.aws.schedule
print(time.process_time() - began)
"""

# https://aws.amazon.com/lambda/pricing/, /sqs/pricing/, /secrets-manager/pricing/, /cloudwatch/pricing/, /s3/pricing/
LAMBDA_REQUESTS, LAMBDA_GB_SECOND = 0.20 / 1e6, 0.0000166667
SQS_REQUEST = 0.40 / 1e6
SECRET, SECRET_READ = 0.40, 0.05 / 10_000
LOGS_BYTE, METRIC, ALARM = 0.50 / 2**30, 0.30, 0.10
S3_BYTE = 0.023 / 2**30

FULL_CPU = 1769
"""MB at which Lambda gives one CPU (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""
POLLS = 5 * 3600 / 20
"""An hour's requests to one empty queue, about: Lambda asks with five at a time, each of which waits for 20 s."""
SECRETS, ALARMS, METRICS, ZIPS = 3, 4, 3, 180 * 2**20
"""What serverless.yml refers to and makes; what a tick tells; and what lies in the deployment's bucket."""
LAMBDAS_OWN_LINES = 400
"""Bytes that Lambda itself writes of each invocation, about."""


def main() -> None:
    """Measure and print."""
    print_machine()
    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory(prefix="skylift-idle-") as folder:
        databases = Databases(Path(folder))
        for pools, each in SIZES:
            with databases.fresh("postgres") as url:
                hour = idle_hour(url, pools=pools, deployments=each)
            rows.append((pools, pools * each, hour.invocations, hour.transactions, hour.written, hour.cpu * 1000))
        databases.close()
    columns = ("Pools", "deployments", "invocations", "transactions", "bytes written", "CPU ms, warm")
    print_table("An idle hour", columns, rows)
    lines = list(prices(hour, cold_cpu=cold_cpu()))
    total = ("together", sum(price for _, price in lines))
    print_table(
        "An idle month at list prices", ("What", "US$"), [(name, f"{price:.3f}") for name, price in (*lines, total)]
    )


def cold_cpu() -> float:
    """Seconds that a new process needs before `schedule` can look at its event."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    return float(done.stdout)


def prices(hour: Hour, *, cold_cpu: float) -> Iterator[tuple[str, float]]:
    """A month's, line by line; each invocation is counted as a cold start."""
    calls = hour.invocations * HOURS
    gb_seconds = (cold_cpu * calls + hour.cpu * HOURS) * FULL_CPU / 1024  # less memory takes as much longer
    queues = sum(each.queue is not None for each in PLATFORM.functions)
    yield "Lambda, requests", calls * LAMBDA_REQUESTS
    yield "Lambda, time", gb_seconds * LAMBDA_GB_SECOND
    yield "EventBridge, timer and ECS's events", 0.0
    yield "HTTP API", 0.0
    yield "SQS, Lambda asking empty queues", queues * POLLS * HOURS * SQS_REQUEST
    yield "Secrets Manager, secrets", SECRETS * SECRET
    yield "Secrets Manager, read by cold starts", calls * SECRET_READ
    yield "CloudWatch Logs", (hour.written * HOURS + calls * LAMBDAS_OWN_LINES) * LOGS_BYTE
    yield "CloudWatch, metrics", METRICS * METRIC
    yield "CloudWatch, alarms", ALARMS * ALARM
    yield "S3, packages", ZIPS * S3_BYTE


if __name__ == "__main__":
    main()
