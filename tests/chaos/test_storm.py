"""Storms themselves: the plan is the seed's, and a short one blows here; `make chaos` has the long ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.storm import clouds, history, plan, rules, weather

SEED = 57


def test_the_plan_is_the_seeds() -> None:
    first, again, other = (plan.faults(seed, 90, clouds.NAMES) for seed in (1, 1, 2))
    assert first == again != other
    assert plan.acts(1, 90, ["here"]) == plan.acts(1, 90, ["here"]) != plan.acts(2, 90, ["here"])
    kinds = {fault.kind for seed in range(20) for fault in plan.faults(seed, 90, clouds.NAMES)}
    assert kinds == {*plan.kinds(clouds.NAMES)}, "in twenty storms everything happens that can"


def test_faults_on_one_target_never_overlap() -> None:
    for seed in range(20):
        free_at: dict[str, float] = {}
        for fault in plan.faults(seed, 90, clouds.NAMES):
            assert fault.at >= free_at.get(fault.target, 0)
            free_at[fault.target] = fault.at + fault.lasts


@pytest.mark.timeout(200)
def test_a_short_storm(tmp_path: Path) -> None:
    """Dispatchers, API and database are struck; there is no cloud but this machine."""
    seconds = 6.0
    faults, acts = weather.planned(SEED, seconds, (), tmp_path, act_every=0.6)
    assert {"kill", "kill the database"} <= {fault.kind for fault in faults}
    assert len((tmp_path / "plan.json").read_text().splitlines()) == len(faults) + len(acts)
    with weather.opened(SEED, tmp_path, ()) as storm:
        storm.blow(faults, acts, seconds)
        storm.calm_down()
    found = history.read(tmp_path)
    assert not [fault for each in rules.judge(found).values() for fault in each]
    assert len(found.asked["acts"]) == len(acts)
    assert found.store["ended_attempts"]
