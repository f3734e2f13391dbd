"""Whatever dies, and whatever is lost on its way: every run runs once, and none is left."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.functions.gcp.world import World
from tests.functions.kills import Killer, keep_busy

PATIENCE = 500.0


def load(world: World, deployments: int, slots: int) -> int:
    """Schedules with so many slots; how many runs those are."""
    world.pool(lease=10)
    for number in range(deployments):
        world.deployment(f"deployment-{number}", slots=slots, after=5)
    return deployments * slots


def settle(world: World, runs: int, seconds: float = PATIENCE) -> None:
    world.ticking(5, lambda: world.completed() == runs and not world.leftovers(), seconds)
    world.check(runs)


@pytest.mark.long
@pytest.mark.timeout(700)
def test_two_hundred_scheduled_runs_and_fifty_by_webhook_complete(world: World) -> None:
    began = time.monotonic()
    runs = load(world, deployments=20, slots=10)
    sender = world.webhook()
    world.tick()
    with ThreadPoolExecutor(4) as threads:
        made = set(threads.map(sender.deliver, range(50)))
    assert len(made) == 50
    settle(world, runs + 50)
    late = sorted(world.functions["dispatch"].metric("DueToLaunch"))
    assert len(late) == runs + 50
    print(f"{runs} + 50 runs in {time.monotonic() - began:.0f} s; invocations: {world.invocations()}")
    print(f"due to launch (ms): p50 {late[len(late) // 2]:.0f}, p95 {late[int(len(late) * 0.95)]:.0f}")


@pytest.mark.long
@pytest.mark.timeout(2000)
def test_functions_each_killed_a_hundred_times_lose_and_double_nothing(world: World) -> None:
    world.pool(lease=10)
    killer = Killer(world.victims)
    runs = keep_busy(world, killer)
    settle(world, runs, 900)  # Google lets logs be read sixty times a minute, and cleaning up reads them
    print(f"{runs} runs, kills: {killer.kills}, invocations: {world.invocations()}")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_what_is_lost_of_wakeups_and_events_the_timer_brings_up(world: World) -> None:
    """Every event, and half of all tasks."""
    chance = random.Random(8)
    world.hears = False
    world.cloud.tasks.copies = lambda task: chance.choice((0, 1))
    settle(world, load(world, deployments=4, slots=5), 300)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_events_and_tasks_come_twice_and_in_any_order(world: World) -> None:
    chance = random.Random(7)
    world.cloud.tasks.copies = lambda task: chance.choice((1, 2))
    world.disordered = chance
    settle(world, load(world, deployments=4, slots=10), 300)
