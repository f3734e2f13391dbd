"""Pure: what goes wrong in a storm, and what its users do, both drawn from the seed alone.

The same seed and length always give the same plan. What comes of it also depends on the machine; the plan is what can
be played again.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DISPATCHERS = ("dispatcher-1", "dispatcher-2", "dispatcher-3")
API, DATABASE = "api", "database"
FAULT_EVERY = 1.6
"""Seconds between two faults, on average."""
ACT_EVERY = 7.0
"""Seconds between two acts of users in one pool, on average."""
LONGEST_STALL = 3.0
"""Seconds that a link may hold back what was sent: less than a provider's `call_timeout`, or it would lie."""
MINUTES = 60.0
SHIFTS = (0.0, 3 * MINUTES, -3 * MINUTES, 11 * MINUTES, -11 * MINUTES)
"""By which a process's own clock is wrong."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` and `lasts` in seconds, `at` from the beginning of the storm. A process that is killed is started again when
    the time is over, its clock wrong by `value` seconds; a cloud misbehaves in so many of its calls (0 to 1)."""

    at: float
    lasts: float
    kind: str
    target: str
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Act:
    """What a user does. `key` names the run; `pool` is where it goes."""

    at: float
    what: str
    key: str
    pool: str
    deployment: str
    queue: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how often beside others, on whom, and how long (seconds)."""

    weight: int
    targets: Sequence[str]
    shortest: float
    longest: float


MISBEHAVIOURS = ("throttle", "no_room", "break", "lose_answer", "delay")


def kinds(clouds: Sequence[str]) -> Mapping[str, Kind]:
    """Those that can come."""
    links = [DATABASE, API, *clouds]
    found = {
        "kill": Kind(8, DISPATCHERS, 0.3, 4),
        "pause": Kind(6, DISPATCHERS, 1, 12),
        "kill the API": Kind(2, [API], 0.3, 3),
        "pause the API": Kind(2, [API], 0.5, 5),
        "cut": Kind(4, links, 0.5, 4),
        "stall": Kind(4, links, 0.5, LONGEST_STALL),
        "slow": Kind(4, links, 1, 6),
        "kill the database": Kind(2, [DATABASE], 0.3, 2),
        "pause the database": Kind(2, [DATABASE], 0.5, 4),
    }
    if clouds:
        found |= {each: Kind(3, clouds, 2, 8) for each in MISBEHAVIOURS}
        found["lose a machine"] = Kind(4, clouds, 0, 0)
    return found


def faults(seed: int, seconds: float, clouds: Sequence[str]) -> list[Fault]:
    """In the order of time; those on one target never overlap."""
    chance = random.Random(f"faults {seed}")
    table = kinds(clouds)
    free_at: dict[str, float] = {}
    found: list[Fault] = []
    at = 1.0
    while (at := at + chance.expovariate(1 / FAULT_EVERY)) < seconds:
        kind = chance.choices([*table], [each.weight for each in table.values()])[0]
        target, lasts = chance.choice(table[kind].targets), chance.uniform(table[kind].shortest, table[kind].longest)
        value = chance.choice(SHIFTS) if kind.startswith("kill") else chance.uniform(0.2, 0.7)
        if free_at.get(target, 0) <= at:
            found.append(Fault(round(at, 2), round(lasts, 2), kind, target, round(value, 2)))
            free_at[target] = at + lasts + 0.5
    return found


def acts(seed: int, seconds: float, pools: Sequence[str], *, each_every: float = ACT_EVERY) -> list[Act]:
    """What users do in the same time, in the order of time."""
    chance = random.Random(f"acts {seed}")
    found: list[Act] = []
    for pool in pools:
        at = 0.0
        while (at := at + chance.expovariate(1 / each_every)) < seconds:
            key = f"{pool}-{len(found)}"
            deployment = chance.choices(["wide", "narrow", "runner"], [5, 3, 3])[0]
            queue = chance.choice(["high", "middle", "default"])
            what = chance.choices(["run", "deliver"], [4, 1])[0]
            if what == "deliver":
                deployment, queue = "hooked", "default"
            found.append(Act(round(at, 2), what, key, pool, deployment, queue))
            if chance.random() < 0.15:
                found.append(Act(round(at + chance.uniform(0.3, 4), 2), "cancel", key, pool, deployment, queue))
    return sorted(found, key=lambda act: act.at)
