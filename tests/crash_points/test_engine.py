"""Every commit and every provider call of schedule, trigger, dispatch and observe, and of those who call on them: the
process dies there, and others bring everything to its end."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.forks import Host
from tests.conftest import Databases
from tests.crash_points import engine
from tests.crash_points.enumeration import Enumeration

SHORT = ("a schedule", "a delivery under the runner", "losses")


@pytest.fixture
def enumeration(host: Host, databases: Databases, tmp_path: Path) -> Enumeration:
    return Enumeration(engine.STAGE, host, databases, tmp_path)


@pytest.mark.parametrize("scenario", SHORT)
def test_at_some_points(enumeration: Enumeration, scenario: str, chance: random.Random) -> None:
    enumeration.sample(scenario, 2, chance)


def test_points_are_found_by_themselves(enumeration: Enumeration) -> None:
    """Some that are known to be there; nobody has to list the others."""
    names = enumeration.points_of("a delivery under the runner")
    for what in (
        "trigger._make: after the commit",
        "launching.call: before cloud:push launch",
        "_claim: before the commit",
    ):
        assert any(what in name for name in names), names


def test_a_defect_is_seen(enumeration: Enumeration) -> None:
    """Of a cloud that starts a container for each launch, whatever its token, and a process that dies before it has
    written down the answer."""
    names = enumeration.points_of("a schedule")
    strike = 1 + next(at for at, name in enumerate(names) if "launching.call: after" in name)
    enumeration.options["doubles"] = True
    with pytest.raises(AssertionError, match="the user code of nightly ran 2 times"):
        enumeration.strike("a schedule", strike)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", engine.SCENARIOS)
def test_at_every_point(enumeration: Enumeration, scenario: str) -> None:
    print(f"\n{scenario}: {enumeration.every(scenario)} points")


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", SHORT)
def test_at_every_point_on_postgres(enumeration: Enumeration, scenario: str) -> None:
    enumeration.kind = "postgres"
    print(f"\n{scenario}, on PostgreSQL: {enumeration.every(scenario)} points")
