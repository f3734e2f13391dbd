"""Local clouds misbehave on demand, as the real ones do by themselves."""

from __future__ import annotations

import fnmatch
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["throttle", "no_room", "deny", "break", "lose_answer", "delay", "hold"]
"""throttle, no_room, deny, break: refused in the cloud's own words, before anything is done (break: a 5xx).
lose_answer: done, and then the connection drops. delay: done after some seconds. hold: done once the test lets go."""
BEFORE: tuple[Kind, ...] = ("throttle", "no_room", "deny", "break")
PATIENCE = 60.0
"""Seconds that a held call waits at the most for its test."""


class Refused(Exception):  # noqa: N818 - the cloud refuses
    """The cloud is to answer with its own error of this kind, having done nothing."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.kind = kind


class AnswerLost(Exception):  # noqa: N818 - so it is
    """The cloud is to drop the connection, having done what it was asked."""


@dataclass
class Order:
    """One thing that is to go wrong."""

    operation: str
    """A pattern of names, as in `fnmatch`."""
    kind: Kind
    times: int = 1
    seconds: float = 0.0
    after: int = 0
    """How many such calls are left alone first."""
    behind: str | None = None
    """A pattern of the operations that one has to be done of before anything goes wrong."""
    reached: threading.Event = field(default_factory=threading.Event)
    """Set when a call has come to it."""
    released: threading.Event = field(default_factory=threading.Event)
    """What a held call waits for."""


class Mischief:
    """Orders, and chance. Call `before` when a request is understood, `after` when it is done."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._orders: list[Order] = []
        self._random = random.Random(seed)
        self._chances: dict[Kind, float] = {}
        self._lost = threading.local()

    def order(
        self,
        operation: str,
        kind: Kind,
        *,
        times: int = 1,
        seconds: float = 0.0,
        after: int = 0,
        behind: str | None = None,
    ) -> Order:
        """The next `times` calls of this operation go wrong so."""
        made = Order(operation, kind, times, seconds, after, behind)
        with self._lock:
            self._orders.append(made)
        return made

    def chance(self, kind: Kind, share: float) -> None:
        """From now on this share of all calls goes wrong so."""
        self._chances[kind] = share

    def behave(self) -> None:
        """Forget every order, and let go of what is held."""
        with self._lock:
            orders, self._orders, self._chances = self._orders, [], {}
        for order in orders:
            order.released.set()

    def before(self, operation: str) -> None:
        """Raises `Refused`, or waits."""
        self._lost.answer = False
        order = self._take(operation)
        kind = order.kind if order else self._by_chance()
        if order:
            order.reached.set()
        if kind in BEFORE:
            raise Refused(kind)
        if kind == "lose_answer":
            self._lost.answer = True
        elif kind == "delay":
            time.sleep(order.seconds if order else self._random.uniform(0, 0.3))
        elif kind == "hold" and order:
            order.released.wait(PATIENCE)

    def after(self, operation: str) -> None:
        """Raises `AnswerLost`."""
        with self._lock:
            for order in self._orders:
                if order.behind and fnmatch.fnmatchcase(operation, order.behind):
                    order.behind = None
        if getattr(self._lost, "answer", False):
            self._lost.answer = False
            raise AnswerLost(operation)

    def _take(self, operation: str) -> Order | None:
        with self._lock:
            for order in self._orders:
                if order.behind or not order.times or not fnmatch.fnmatchcase(operation, order.operation):
                    continue
                if order.after:
                    order.after -= 1
                    return None
                order.times -= 1
                return order
        return None

    def _by_chance(self) -> Kind | None:
        with self._lock:
            if not self._chances:
                return None
            drawn = self._random.random()
            for kind, share in self._chances.items():
                if drawn < share:
                    return kind
                drawn -= share
        return None
