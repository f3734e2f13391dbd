"""Whatever dies, and whatever is lost on its way: every run runs once, and none is left."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clouds.ecs_events import disordered
from tests.functions.aws.world import World
from tests.functions.workload import Killer

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
@pytest.mark.timeout(900)
def test_functions_killed_a_hundred_times_lose_and_double_nothing(world: World) -> None:
    chance = random.Random(6)
    with (
        ThreadPoolExecutor(1) as senders,
        Killer(world.victims, chance, 1.5) as killer,
    ):
        runs = 0
        world.pool(lease=10)
        sender = world.webhook()
        world.connect_queues()
        began = time.monotonic()
        while killer.count < 100:
            world.deployment(f"deployment-{runs}", slots=5, after=2)
            world.function_deployment(f"function-{runs}")
            sent = [senders.submit(sender.deliver, runs + number) for number in range(4)]
            runs += 10
            until = time.monotonic() + 6
            while time.monotonic() < until:
                world.tick()
                time.sleep(1)
            assert len({each.result(200) for each in sent}) == 4
            assert time.monotonic() < began + 500, killer.kills
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
