"""Work that many requests want at the same moment, done for all of them at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from fastapi.concurrency import run_in_threadpool

Asked = TypeVar("Asked")
Told = TypeVar("Told")


@dataclass(slots=True, eq=False)
class _Turn(Generic[Asked, Told]):
    asked: Asked
    told: asyncio.Future[tuple[Told] | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """The answer; or None for whoever is to do the work, for itself and all that wait."""


class Gathering(Generic[Asked, Told]):
    """Calls `work` with what has come in while it was busy. A request that finds it idle is served at once, alone.

    No task goes on beside the requests, so nothing is lost where a platform lets nothing run between them: one of those
    that wait does the work in a thread, and hands it on to the next when it is done.
    """

    def __init__(self, work: Callable[[Sequence[Asked]], Sequence[Told]], *, lanes: int, most: int) -> None:
        """`work` may run in `lanes` threads at the same time, on `most` requests each. Its answers are in the order of
        what it was asked; what it raises, all of them raise."""
        self._work, self._free, self._most = work, lanes, most
        self._waiting: deque[_Turn[Asked, Told]] = deque()

    async def __call__(self, asked: Asked) -> Told:
        mine: _Turn[Asked, Told] = _Turn(asked)
        if self._free:
            self._free -= 1
            return await self._lead(mine)
        self._waiting.append(mine)
        try:
            told = await mine.told
        except asyncio.CancelledError:
            if mine.told.done() and not mine.told.cancelled() and not mine.told.exception() and not mine.told.result():
                self._hand_on()
            raise
        return told[0] if told else await self._lead(mine)

    async def _lead(self, mine: _Turn[Asked, Told]) -> Told:
        """Work for this one and those that wait."""
        others = [self._waiting.popleft() for _ in range(min(self._most - 1, len(self._waiting)))]
        try:
            told = await run_in_threadpool(self._work, [mine.asked, *(each.asked for each in others)])
        except BaseException as error:
            for each in others:
                if not each.told.done():
                    each.told.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            raise
        finally:
            self._hand_on()
        for each, answer in zip(others, told[1:], strict=True):
            if not each.told.done():
                each.told.set_result((answer,))
        return told[0]

    def _hand_on(self) -> None:
        """To the first of those that wait, if one does."""
        while self._waiting:
            first = self._waiting.popleft()
            if not first.told.done():
                first.told.set_result(None)
                return
        self._free += 1
