"""From a timer's tick to Completed, through functions under Google's own framework and executions that really run."""

from __future__ import annotations

from tests.functions.gcp.world import World


def test_scheduled_runs_start_at_their_second_and_complete(world: World) -> None:
    """Bare commands, and a Python function whose runner speaks to the API."""
    world.pool()
    world.deployment("commands", slots=2)
    world.function_deployment()
    world.ticking(3600, lambda: world.completed() == 3 and not world.leftovers(), 60)  # one tick
    world.check(3)
    assert len(world.functions["dispatch"].metric("DueToLaunch")) == 3
    assert sum(world.functions["dispatch"].metric("Launches")) == 3
