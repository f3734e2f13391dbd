"""What several dispatchers do, predicted and then measured: `python -m benchmarks.simulation`.

In stages: the steps of one dispatcher are timed; the simulation predicts what 1, 2 and 4 of them do with other numbers
of pools and runs and a slower provider; they do it. Exits with 1 where a prediction is further off than the bar. With
the same times it then says what a large installation would do (scale.py) and cost (prices.py).
"""

from __future__ import annotations

import os
import sys

from benchmarks import postgres
from benchmarks.simulation import facts, prices, scale
from benchmarks.simulation.costs import Costs
from benchmarks.simulation.model import BATCH, predicted
from benchmarks.simulation.reality import Ground, Outcome, Trial, costs_of
from benchmarks.table import print_machine, print_table

TIMED = Trial(dispatchers=1, pools=2, runs=1_000, latency=0.0)
LATENCY, RUNS = 0.02, 3_000
TRIALS = [Trial(dispatchers, pools, RUNS, LATENCY) for pools in (4, 1) for dispatchers in (1, 2, 4)]
CORES = os.cpu_count() or 1
BAR = 0.25


def main() -> int:
    """Print the tables; 1 where a prediction missed the bar."""
    with postgres.cluster() as server:
        print(f"PostgreSQL {postgres.version(server)}, default settings")
        ground = Ground(server)
        timed = ground.run(TIMED, timed=True)
        costs = costs_of(timed, TIMED.runs)
        print_table(
            "Service times of one dispatcher, ms",
            ("Step", "own CPU, fixed", "each run", "PostgreSQL's CPU, fixed", "each run", "waiting, fixed", "each run"),
            costs.shown(),
        )
        rows, worst = [], 0.0
        for trial in TRIALS:
            expected = trial.runs / predicted(costs, trial, CORES)
            outcome = ground.run(trial)
            rate = trial.runs / outcome.seconds
            off = expected / rate - 1
            worst = max(worst, abs(off))
            rows.append((trial.dispatchers, trial.pools, expected, rate, f"{off:+.0%}", *_cpu(outcome, trial)))
    print_table(
        f"{RUNS:,} runs, a provider that takes {LATENCY * 1000:.0f} ms, {CORES} cores for all (bar: {BAR:.0%})",
        ("Dispatchers", "pools", "predicted runs/s", "measured runs/s", "off by", "CPU ms/run", "PostgreSQL's"),
        rows,
    )
    _scale(costs)
    return int(worst > BAR)


def _scale(costs: Costs) -> None:
    print_table(
        f"Predicted: {facts.RUNS_PER_SECOND:,} runs a second in {facts.POOLS:,} pools, {facts.ACCOUNTS} accounts",
        ("Database", *scale.COLUMNS),
        list(scale.rows(costs)),
    )
    print_table(
        "US$ for a million runs at list prices, without what they run on",
        ("What", "each run dispatched alone", "50 together"),
        [
            (name, alone * 1e6, together * 1e6)
            for (name, alone), (_, together) in zip(
                prices.of_a_run(costs, 1), prices.of_a_run(costs, BATCH), strict=True
            )
        ],
    )
    print_table(
        "US$ a month",
        ("Runs a month", "skylift", "servers and workers", "their price"),
        list(prices.months(costs, 1)),
    )


def _cpu(outcome: Outcome, trial: Trial) -> tuple[float, float]:
    return outcome.cpu * 1000 / trial.runs, outcome.database * 1000 / trial.runs


if __name__ == "__main__":
    print_machine()
    sys.exit(main())
