"""Whatever dies, and whatever is lost on its way: every run runs once, and none is left."""

from __future__ import annotations

import random
import time

import pytest

from tests.clouds.ecs_events import disordered
from tests.functions.aws.world import World
from tests.functions.kills import Killer, keep_busy

PATIENCE = 500.0


def load(world: World, deployments: int, slots: int) -> int:
    """Schedules with so many slots; how many runs those are."""
    world.pool(lease=10)
    for number in range(deployments):
        world.deployment(f"deployment-{number}", slots=slots, after=5)
    world.connect_queues()
    return deployments * slots


def settle(world: World, runs: int, seconds: float = PATIENCE) -> None:
    world.ticking(5, lambda: world.completed() == runs and not world.leftovers(), seconds)
    world.check(runs)


@pytest.mark.long
@pytest.mark.timeout(700)
def test_two_hundred_scheduled_runs_complete(world: World) -> None:
    began = time.monotonic()
    runs = load(world, deployments=20, slots=10)
    settle(world, runs)
    late = sorted(world.functions["dispatch"].metric("DueToLaunch"))
    print(f"{runs} runs in {time.monotonic() - began:.0f} s; invocations: {world.invocations()}")
    print(f"due to launch (ms): p50 {late[len(late) // 2]:.0f}, p95 {late[int(len(late) * 0.95)]:.0f}")


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_functions_each_killed_a_hundred_times_lose_and_double_nothing(world: World) -> None:
    world.pool(lease=10)
    world.connect_queues()
    killer = Killer(world.victims)
    runs = keep_busy(world, killer)
    settle(world, runs, 300)
    print(f"{runs} runs, kills: {killer.kills}, invocations: {world.invocations()}")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_what_is_lost_of_wakeups_and_events_the_timer_brings_up(world: World) -> None:
    """Every event, and half of all messages, the timer's own among them."""
    chance = random.Random(8)
    world.hears = False
    runs = load(world, deployments=4, slots=5)
    for source in world.sources.values():
        source.deliver = lambda records: [each for each in records if chance.random() < 0.5]
    settle(world, runs, 300)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_events_and_messages_come_twice_and_in_any_order(world: World) -> None:
    chance = random.Random(7)
    runs = load(world, deployments=4, slots=10)
    for source in world.sources.values():
        source.deliver = lambda records: disordered(records, chance.randrange(10**6))
    world.disordered = chance
    settle(world, runs, 300)
