"""What the large simulation is told and does not measure: the load, quotas and times that clouds document, prices."""

from __future__ import annotations

RUNS_PER_SECOND = 1_000
POOLS = 10_000
DEPLOYMENTS = 1_000_000
ACCOUNTS = 60
"""Accounts and regions that the pools are spread over."""

RUN_TASK_RATE, RUN_TASK_BURST = 20.0, 100
"""Of Fargate, for one account and region (ECS developer guide, "AWS Fargate throttling quotas")."""
RUN_TASK = 0.15
"""Seconds that Amazon takes to answer RunTask; an assumption."""
ROUND_TRIP = 0.001
"""Seconds from a function to a database in its zone and back; an assumption."""
STATEMENTS = {"claim": 12, "freeze": 5, "record": 4}
"""One after the other in each step, of a claim of one run."""

API_CALLS = 6
"""Of a run: admission, a heartbeat, two batches of logs, a state, its end."""
API_DATABASE, API_OWN = 0.0011, 0.0041
"""CPU seconds of one of them, PostgreSQL's and the server's (docs/benchmarks.md, create_flow_run)."""
SCHEDULE_DATABASE, SCHEDULE_OWN = 0.0005, 0.0015
"""The same of making a scheduled run; a tick continues a ledger with some runs at once (docs/benchmarks.md)."""
OBSERVE_DATABASE, OBSERVE_OWN = 0.001, 0.003
"""The same of one event that a task has ended."""

DSQL_STATEMENT, DSQL_COMMIT = 0.003, 0.012
"""Seconds of a statement and of a commit in a distributed engine that finds conflicts at the commit; assumptions."""
DSQL_CONNECTIONS_PER_SECOND, DSQL_CONNECTIONS = 100, 10_000
"""Aurora DSQL's quotas for a cluster; the first cannot be raised (user guide, "Cluster quotas")."""

# US dollars, list prices of us-east-1 as they are remembered from the vendors' pages in 2026: to be checked.
LAMBDA_REQUEST, LAMBDA_GB_SECOND, LAMBDA_GB = 0.20e-6, 16.6667e-6, 1.769
SQS_REQUEST, HTTP_API_REQUEST, LOG_BYTE = 0.40e-6, 1.00e-6, 0.50 / 2**30
POSTGRES_VCPU_HOUR = 0.12
DSQL_DPU = 8e-6
"""One is about a second of computing, by the documented examples; what is read and written is counted on top."""
DSQL_READ_WRITE = 2.0
"""Times the price of computing, for that; an assumption."""
FARGATE_VCPU_HOUR, FARGATE_GB_HOUR = 0.04048, 0.004445
IDLE_MONTH = 3.0
"""Of Skylift's functions without any run, without the database (docs/deploy/aws.md)."""
HOURS = 730
