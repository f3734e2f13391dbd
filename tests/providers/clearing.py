"""What a test has left in a local cloud is removed as the service removes strays: found by its marks, stopped, cleaned
up. What stays then is what users would be left with; `tests.clouds.audit` fails for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from skylift.errors import SkyliftError
from skylift.provider import FindsStrays, Launch, Provider
from tests.clouds.audit import AUDIT
from tests.clouds.mischief import Mischief

PATIENCE = 20.0


class Cloud(Protocol):
    mischief: Mischief

    def left(self) -> list[str]: ...


@contextmanager
def cleared(cloud: Cloud, provider: Callable[[], Provider], permit: Callable[[], None]) -> Iterator[None]:
    """Clear this cloud of what is launched meanwhile. `permit`: undoes what limits of the cloud the test has set."""
    before = len(AUDIT.launches)
    yield
    cloud.mischief.behave()
    permit()
    until = time.monotonic() + PATIENCE
    while cloud.left() and time.monotonic() < until:
        for launch in AUDIT.launches[before:]:
            if cloud.left():
                _clear(provider(), launch)
        time.sleep(0.05)


def _clear(provider: Provider, launch: Launch) -> None:
    assert isinstance(provider, FindsStrays)
    try:
        for each in provider.list_attempts(launch.installation_id, launch.configuration):
            state = provider.status([each]).get(each.attempt_id)
            if state and state.phase in ("starting", "running"):
                provider.stop(each, 0)
            elif state:
                provider.cleanup(each)
    except SkyliftError:
        pass  # the next round may succeed
