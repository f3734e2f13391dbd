"""What `observe` does on every platform: it hears a provider's events, and looks at attempts whose time has come.

While attempts live there is always another wakeup on its way for the next one that wants to be looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from skylift import observe
from skylift.wakeups import Observe
from skylift_functions.deadline import Deadline
from skylift_functions.installation import Installation
from skylift_functions.ticks import Count

BREATH = timedelta(seconds=1)
AT_ONCE = 200
"""Attempts that are looked at before the time left is looked at again."""


def hear(here: Installation, provider: str | None, event: Mapping[str, Any], count: Count) -> int:
    """Look at the attempts that a provider's event is about; says how many those are."""
    heard = observe.hear(here.parts, provider, event) if provider and provider in here.parts.providers else 0
    count(EventsHeard=heard)
    return heard


def sweep(here: Installation, deadline: Deadline, count: Count) -> bool:
    """Look at all whose time has come, and see to a wakeup for the next; False where time ran out before."""
    while looked := observe.observe(here.parts, limit=AT_ONCE):
        count(AttemptsLookedAt=looked)
        if looked < AT_ONCE:
            break
        if deadline.is_over:
            return False
    with here.parts.store.reading() as tx:
        at = observe.next_look(tx, here.parts.providers.types)
        soonest = tx.now + BREATH
    if at:
        here.wakeups.send(Observe(), max(at, soonest))
    return True
