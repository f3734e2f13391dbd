"""From a timer's tick to Completed, through functions under AWS's own runtime client and tasks that really run."""

from __future__ import annotations

from tests.functions.aws.world import World


def test_scheduled_runs_start_at_their_second_and_complete(world: World) -> None:
    world.pool()
    world.deployment("hourly", slots=5)
    world.connect_queues()
    world.ticking(3600, lambda: world.completed() == 5 and not world.leftovers(), 40)
    world.check(5)
    late = world.functions["dispatch"].metric("DueToLaunch")
    assert len(late) == 5
    assert sum(world.functions["dispatch"].metric("Launches")) == 5
