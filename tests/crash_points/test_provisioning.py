"""Every commit, and every look and change of a provisioner: the process dies there, and the same command goes on, or
removes what there is."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.forks import Host
from tests.conftest import Databases
from tests.crash_points import provisioning
from tests.crash_points.enumeration import Enumeration


@pytest.fixture
def enumeration(host: Host, databases: Databases, tmp_path: Path) -> Enumeration:
    return Enumeration(provisioning.Provisioning(), host, databases, tmp_path)


def test_at_some_points(enumeration: Enumeration, chance: random.Random) -> None:
    enumeration.sample(chance.choice(provisioning.SCENARIOS), 1, chance)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", provisioning.SCENARIOS)
def test_at_every_point(enumeration: Enumeration, scenario: str) -> None:
    print(f"\n{scenario}: {enumeration.every(scenario)} points")
