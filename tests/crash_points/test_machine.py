"""Every change that `process:push` makes to this machine, beside all commits and calls: the process dies before it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import skylift_process
from tests.chaos.forks import Host
from tests.conftest import Databases
from tests.crash_points import machine
from tests.crash_points.enumeration import Enumeration


@pytest.fixture
def enumeration(host: Host, databases: Databases, tmp_path: Path) -> Enumeration:
    package = {"package": skylift_process.__name__}
    return Enumeration(machine.STAGE, host, databases, tmp_path, options=package)


def test_at_some_points(enumeration: Enumeration, chance: random.Random) -> None:
    enumeration.sample(chance.choice([*machine.SCENARIOS]), 2, chance)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", machine.SCENARIOS)
def test_at_every_point(enumeration: Enumeration, scenario: str) -> None:
    print(f"\n{scenario}: {enumeration.every(scenario)} points")
