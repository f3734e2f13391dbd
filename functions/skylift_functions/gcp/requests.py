"""A request to one of the functions that are woken: who calls, what for, how much time there is, and how it ends.

Every answer but 2xx makes Cloud Tasks, Cloud Scheduler and Pub/Sub come again, after a while.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from skylift import faults
from skylift.wakeups import Wakeup
from skylift_functions.deadline import Deadline
from skylift_functions.gcp import callers
from skylift_functions.gcp.installation import installation
from skylift_functions.gcp.platform import PLATFORM
from skylift_functions.gcp.telemetry import Metrics, correlate
from skylift_functions.installation import Installation
from skylift_functions.messages import MalformedWakeupError, from_text, wait_for

Answer = tuple[str, int]
DONE: Answer = ("", 204)


class Request(Protocol):
    """What is wanted of Flask's."""

    @property
    def headers(self) -> Any: ...

    def get_data(self) -> bytes: ...


class HandOnError(Exception):
    """A wakeup could not be sent on, so this request has to come again."""


class Woken:
    """One request under way."""

    def __init__(self, verb: str, logger: logging.Logger) -> None:
        self.verb, self.logger, self.metrics = verb, logger, Metrics(logger)
        seconds = os.environ.get("CLOUD_RUN_TIMEOUT_SECONDS") or PLATFORM.function(verb).timeout
        self.deadline = Deadline(float(seconds))

    @property
    def here(self) -> Installation:
        return installation(self.verb)

    def answer(self, request: Request, act: Callable[[bytes], None]) -> Answer:
        """Never raises: the framework would log an error's words."""
        correlate(self.verb, request.headers)
        try:
            callers.check(request.headers, os.environ, os.environ.get(f"SKYLIFT_URL_{self.verb.upper()}", ""))
        except callers.StrangerError as stranger:
            self.logger.warning("Refused: %s", stranger)
            return (f"{stranger}\n", 403 if isinstance(stranger, callers.IntruderError) else 401)
        try:
            act(request.get_data())
        except MalformedWakeupError:
            self.logger.error("This is no wakeup, and nobody but Skylift has anything to send here")
            return ("This is no wakeup\n", 400)
        except Exception as error:
            self.logger.error("Failed, and comes again: %s", faults.told(error))
            return ("", 500)
        finally:
            self._end()
        return DONE

    def _end(self) -> None:
        try:
            self.here.wakeups.flush()
        except Exception as error:  # there is no installation
            self.logger.debug("Nothing was sent: %s", type(error).__name__)
        self.metrics.publish()

    def wake(self, body: bytes, act: Callable[[Wakeup], bool]) -> None:
        """What a task asks for. `act` says False where time ran out before all was done."""
        wakeup, at = from_text(body.decode(errors="replace"))
        if not wait_for(at):
            # Under another name: its own is this very task's.
            self._hand_on(wakeup, at + timedelta(microseconds=1))
        elif self.deadline.is_over or not act(wakeup):
            self._hand_on(wakeup, at)

    def _hand_on(self, wakeup: Wakeup, at: datetime) -> None:
        self.here.wakeups.send_again(wakeup, at)
        if not self.here.wakeups.flush():
            raise HandOnError
