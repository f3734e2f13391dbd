"""One wakeup of a pool under way at a time, whichever processes ask for it: a thousand freed slots are one dispatch.

The pool's row says when the earliest one comes. Two rules keep a wakeup from being held back that was needed:

- whoever has written something looks at the row only after its commit;
- a dispatch clears the row, and commits that, before it looks at what is due.

So where the row says that one is still to come, the dispatch that it brings will see what was written. A wakeup that
was lost holds others back for half a minute; the timer's are not held back at all.
"""

from __future__ import annotations

import logging
from datetime import datetime

from skylift import faults
from skylift.store import Store, due
from skylift.wakeups import Dispatch, Wakeup, Wakeups
from skylift_functions.delay_queue import LONGEST

log = logging.getLogger(__name__)


class OncePerPool:
    """See `skylift.wakeups.Wakeups`."""

    def __init__(self, store: Store, queue: Wakeups) -> None:
        self._store, self._queue = store, queue

    def send(self, wakeup: Wakeup, at: datetime) -> None:
        if not isinstance(wakeup, Dispatch) or self._is_first(wakeup, at):
            self._queue.send(wakeup, at)

    def _is_first(self, wakeup: Dispatch, at: datetime) -> bool:
        try:
            with self._store.reading() as tx:
                planned, now = due.planned_wakeup(tx, wakeup.pool_id), tx.now
            if at > now + LONGEST:
                return True  # the queue leaves it to the timer
            if planned and now - due.STALE_WAKEUP < planned <= max(at, now):
                return False
            return self._store.transaction(due.note_wakeup, wakeup.pool_id, at)
        except Exception as error:  # one too many does no harm
            log.warning("A wakeup is sent without a look at others: %s", faults.told(error))
            return True
