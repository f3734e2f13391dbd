"""The simulation against what can be worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.simulation.costs import Cost, Costs, Phase
from benchmarks.simulation.engine import Process, Resource, Signal, Simulation, compute
from benchmarks.simulation.model import BATCH, THREADS, predicted
from benchmarks.simulation.reality import Trial

NOTHING = Cost(0.0, 0.0)
FREE = Phase(NOTHING, NOTHING)


def test_who_computes_shares_the_cores_with_the_others() -> None:
    simulation = Simulation()
    cores = Resource(simulation, 2)
    for _ in range(3):
        simulation.start(compute(simulation, 1.0, cores))
    simulation.run()
    assert simulation.now == pytest.approx(1.5, abs=0.01)
    assert cores.busy == pytest.approx(3.0)


def test_whoever_waits_longest_has_it_next() -> None:
    simulation, order = Simulation(), list[str]()
    lock = Resource(simulation, 1)

    def process(name: str) -> Process:
        yield lock.acquire()
        order.append(name)
        yield simulation.wait(1)
        lock.release()

    for at, name in enumerate(("first", "second", "third")):
        simulation.start(process(name), at / 10)
    simulation.run()
    assert (order, simulation.now) == (["first", "second", "third"], 3)


def test_a_signal_wakes_all_that_wait_for_it_and_nobody_else() -> None:
    simulation, bell, heard = Simulation(), Signal(), list[float]()

    def listener() -> Process:
        yield bell.wait()
        heard.append(simulation.now)

    def ringer() -> Process:
        yield simulation.wait(2)
        bell.fire()

    for at in (0, 1, 3):
        simulation.start(listener(), at)
    simulation.start(ringer())
    simulation.run()
    assert heard == [2, 2]


def test_a_line_is_put_through_batches_of_different_sizes() -> None:
    found = Cost.fitted([(1, 0.012), (10, 0.03), (50, 0.11)])
    assert [found.fixed, found.each] == pytest.approx([0.01, 0.002])


@pytest.mark.parametrize(("dispatchers", "cores", "seconds"), [(1, 2, 1.0), (2, 2, 0.5), (4, 2, 0.5), (2, 1, 1.0)])
def test_dispatchers_that_only_compute_are_limited_by_their_interpreter_and_by_the_cores(
    dispatchers: int, cores: int, seconds: float
) -> None:
    costs = Costs(FREE, FREE, FREE, launch=0.001)
    trial = Trial(dispatchers, pools=4, runs=1000, latency=0.0)
    assert predicted(costs, trial, cores) == pytest.approx(seconds, rel=0.1)


def test_a_dispatcher_that_only_waits_for_its_provider_is_limited_by_its_threads() -> None:
    trial = Trial(dispatchers=1, pools=1, runs=20 * THREADS, latency=0.1)
    assert predicted(Costs(FREE, FREE, FREE, launch=0.0), trial, 2) == pytest.approx(2.0, rel=0.1)


def test_dispatchers_of_one_pool_claim_one_after_the_other() -> None:
    claim = Phase(NOTHING, Cost(0.1, 0.0))
    trial = Trial(dispatchers=4, pools=1, runs=10 * BATCH, latency=0.0)
    assert predicted(Costs(claim, FREE, FREE, launch=0.0), trial, 8) >= 1.0
