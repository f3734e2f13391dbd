"""From a timer's tick to Completed, through the function app's own triggers and container groups that really run."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.functions.azure.world import World
from tests.functions.kills import Killer, keep_busy

PATIENCE = 400.0


def furnish(world: World, deployments: int = 0, slots: int = 0, after: float = 5.0) -> int:
    """A pool that may launch faster than Azure allows, and schedules; how many runs those are."""
    world.pool(launch_rate=50.0, launch_burst=200, lease=10)
    for number in range(deployments):
        world.deployment(f"deployment-{number}", slots=slots, after=after)
    world.connect_queues()
    return deployments * slots


def settle(world: World, runs: int, seconds: float = PATIENCE) -> None:
    world.ticking(5, lambda: world.completed() == runs and not world.leftovers(), seconds)
    world.check(runs)


@pytest.mark.long
def test_scheduled_runs_start_at_their_second_and_complete(world: World) -> None:
    """Bare commands, and a Python function whose runner speaks to the API; after one tick of the timer."""
    furnish(world, deployments=1, slots=2)
    world.function_deployment()
    world.ticking(3600, lambda: world.completed() == 3 and not world.leftovers(), 90)
    world.check(3)
    assert len(world.app.metric("DueToLaunch")) == 3
    assert sum(world.app.metric("Launches")) == 3
    dispatched = [each for each in world.app.lines() if each["message"] == "Dispatched"]
    assert {each["function"] for each in dispatched} == {"dispatch"}
    assert all(each["correlation_id"] for each in dispatched)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_hundred_scheduled_runs_complete(world: World) -> None:
    began = time.monotonic()
    runs = furnish(world, deployments=20, slots=10)
    settle(world, runs)
    late = sorted(world.app.metric("DueToLaunch"))
    print(f"{runs} runs in {time.monotonic() - began:.0f} s; invocations: {world.invocations()}")
    print(f"due to launch (ms): p50 {late[len(late) // 2]:.0f}, p95 {late[int(len(late) * 0.95)]:.0f}")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_fifty_deliveries_become_runs_that_complete_without_any_tick(world: World) -> None:
    began = time.monotonic()
    furnish(world)
    sender = world.webhook()
    with ThreadPoolExecutor(4) as senders:
        made = set(senders.map(sender.deliver, range(50)))
    assert len(made) == 50
    world.ticking(3600, lambda: world.completed() == 50 and not world.leftovers(), 200)
    world.check(50)
    print(f"50 deliveries in {time.monotonic() - began:.0f} s; invocations: {world.invocations()}")


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_functions_each_killed_a_hundred_times_lose_and_double_nothing(world: World) -> None:
    furnish(world)
    killer = Killer(world.victims)
    runs = keep_busy(
        world, killer, (lambda _: world.continue_schedules(), 1.0), (lambda _: world.tell_of_groups(), 0.5)
    )
    settle(world, runs, 300)
    print(f"{runs} runs, kills: {killer.kills}, invocations: {world.invocations()}")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_what_is_lost_of_wakeups_the_timer_brings_up(world: World) -> None:
    chance = random.Random(8)
    runs = furnish(world, deployments=4, slots=5)
    for each in world.listeners.values():
        each.deliveries = lambda: chance.choice((0, 1))
    settle(world, runs, 300)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_messages_may_come_twice(world: World) -> None:
    runs = furnish(world, deployments=4, slots=10)
    for each in world.listeners.values():
        each.deliveries = lambda: 2
    settle(world, runs, 300)
