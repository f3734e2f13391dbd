"""The four local clouds, each behind a link, and what they know in the end."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.chaos.storm.links import Link
from tests.clouds.containers import Container
from tests.clouds.demo import CLOUDS
from tests.clouds.journal import Journal
from tests.clouds.mischief import Mischief
from tests.providers.journeys import Ground

NAMES = tuple(CLOUDS)


@dataclass
class Cloud:
    """`ground` speaks of the link, not of the cloud itself."""

    name: str
    ground: Ground
    journal: Journal
    mischief: Mischief
    link: Link

    def attempt_of(self, container: Container) -> str:
        return container.env.get("SKYLIFT_ATTEMPT", "")

    def lose_a_machine(self, chance: random.Random) -> str:
        """Kill some container, as clouds do when they want a machine back; its attempt, empty where there is none."""
        alive = [each for each in self.ground.containers.alive() if each.process]
        if not alive:
            return ""
        chosen = chance.choice(sorted(alive, key=lambda each: each.id))
        chosen.signal(signal.SIGKILL)
        return self.attempt_of(chosen)


@contextmanager
def opened(names: Sequence[str]) -> Iterator[list[Cloud]]:
    with ExitStack() as stack:
        yield [_open(stack, name) for name in names]


def _open(stack: ExitStack, name: str) -> Cloud:
    ground, journal = stack.enter_context(CLOUDS[name]())
    local: Any = ground.leftovers.__self__  # type: ignore[attr-defined]  # the cloud itself: it counts what is left
    there = urlsplit(local.url)
    assert there.hostname
    assert there.port
    link = stack.enter_context(Link((there.hostname, there.port)))
    for values in (ground.variables, ground.environment):
        linked = json.dumps(values).replace(local.url, f"http://127.0.0.1:{link.port}")
        values.update(json.loads(linked))
    return Cloud(name, ground, journal, local.mischief, link)
