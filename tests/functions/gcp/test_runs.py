"""From a timer's tick to Completed, through functions under Google's own framework and executions that really run."""

from __future__ import annotations

import pytest

from tests.functions.gcp.world import World


@pytest.mark.parametrize("functions", [0, pytest.param(2, marks=pytest.mark.long)])
def test_scheduled_runs_start_at_their_second_and_complete(functions: int, world: World) -> None:
    """Bare commands, and Python functions whose runners speak to the API."""
    world.pool()
    world.deployment("commands", slots=2)
    for number in range(functions):
        world.function_deployment(f"function-{number}")
    runs = 2 + functions
    world.ticking(3600, lambda: world.completed() == runs and not world.leftovers(), 60)  # one tick
    world.check(runs)
    assert len(world.functions["dispatch"].metric("DueToLaunch")) == runs
    assert sum(world.functions["dispatch"].metric("Launches")) == runs
    told = [line for each in world.functions.values() for line in each.lines()]
    assert {line["severity"] for line in told} == {"INFO"}
    assert all(line["logging.googleapis.com/trace"].startswith("projects/acme-data/traces/") for line in told)
    assert bool(world.functions["api"].codes) == bool(functions)
