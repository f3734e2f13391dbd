"""What a run costs at list prices, and what a server and a worker that are always on cost."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.simulation import facts
from benchmarks.simulation.costs import Costs

PAIR = 2 * (facts.FARGATE_VCPU_HOUR + 2 * facts.FARGATE_GB_HOUR) * facts.HOURS
"""A month of a server and a worker, each with one vCPU and 2 GB."""
PAIR_RATE = 5.0
"""Runs a second that such a pair dispatches (docs/benchmarks.md, on PostgreSQL)."""
LOG_BYTES = 2_000
"""That the functions write for a run."""


def of_a_run(costs: Costs, batch: int) -> Iterator[tuple[str, float]]:
    """US dollars, line by line, without the run's own infrastructure; `batch`: runs that are dispatched together."""
    own, database = costs.per_run(batch)
    own += facts.API_CALLS * facts.API_OWN + facts.SCHEDULE_OWN + facts.OBSERVE_OWN
    calls = facts.API_CALLS + 1 + 1 / batch
    waiting = facts.RUN_TASK / batch
    yield "Lambda", calls * facts.LAMBDA_REQUEST + (own + waiting) * facts.LAMBDA_GB * facts.LAMBDA_GB_SECOND
    yield "HTTP API", facts.API_CALLS * facts.HTTP_API_REQUEST
    yield "SQS", 3 * (1 + 1 / batch) * facts.SQS_REQUEST
    yield "CloudWatch Logs", LOG_BYTES * facts.LOG_BYTE
    seconds = database_seconds(database)
    yield "a PostgreSQL that is used by half", 2 * seconds * facts.POSTGRES_VCPU_HOUR / 3600
    yield "or Aurora DSQL", seconds * facts.DSQL_DPU * (1 + facts.DSQL_READ_WRITE)


def database_seconds(dispatch: float) -> float:
    """CPU of the database for one run, all in all."""
    rest = facts.API_CALLS * facts.API_DATABASE + facts.SCHEDULE_DATABASE + facts.OBSERVE_DATABASE
    return dispatch + rest


def months(costs: Costs, batch: int) -> Iterator[tuple[object, ...]]:
    """Runs a month; US dollars for Skylift (on PostgreSQL) and for servers and workers, without their database."""
    lines = dict(of_a_run(costs, batch))
    each = sum(price for name, price in lines.items() if not name.startswith("or "))
    for runs in (1_000, 100_000, 10_000_000, facts.RUNS_PER_SECOND * 3600 * facts.HOURS):
        pairs = max(1, -(-runs // int(PAIR_RATE * 3600 * facts.HOURS)))
        yield runs, facts.IDLE_MONTH + runs * each, pairs, pairs * PAIR
