"""Requests whose work is done together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from skylift.api.gathering import Gathering

PATIENCE = 30.0


class Work:
    """Waits until it may go on, and tells tenfold what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.may_go_on = threading.Semaphore(0)

    def __call__(self, asked: Sequence[int]) -> list[int]:
        self.calls.append(list(asked))
        assert self.may_go_on.acquire(timeout=PATIENCE)
        if 13 in asked:
            raise ValueError("13 is not to be had")
        return [10 * each for each in asked]


def _play(script: Callable[[Work], Coroutine[Any, Any, None]]) -> Work:
    work = Work()
    asyncio.run(asyncio.wait_for(script(work), PATIENCE))
    return work


async def _begun(work: Work, calls: int) -> None:
    while len(work.calls) < calls:
        await asyncio.sleep(0.001)


async def _ask(gathering: Gathering[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(gathering(each)) for each in numbers]
    await asyncio.sleep(0)
    return tasks


def test_what_comes_while_it_is_busy_is_done_together() -> None:
    async def script(work: Work) -> None:
        gathering = Gathering(work, lanes=1, most=3)
        tasks = await _ask(gathering, 1)
        await _begun(work, 1)
        tasks += await _ask(gathering, 2, 3, 4, 5)
        work.may_go_on.release(3)
        assert await asyncio.gather(*tasks) == [10, 20, 30, 40, 50]

    assert _play(script).calls == [[1], [2, 3, 4], [5]]


def test_lanes_work_side_by_side() -> None:
    async def script(work: Work) -> None:
        gathering = Gathering(work, lanes=2, most=9)
        tasks = await _ask(gathering, 1, 2, 3, 4)
        await _begun(work, 2)
        work.may_go_on.release()
        await _begun(work, 3)
        work.may_go_on.release(2)
        assert await asyncio.gather(*tasks) == [10, 20, 30, 40]

    calls = _play(script).calls
    assert calls[2:] == [[3, 4]]
    assert sorted(calls[:2]) == [[1], [2]]


def test_an_error_is_for_all_that_were_in_it_and_for_nobody_else() -> None:
    async def script(work: Work) -> None:
        gathering = Gathering(work, lanes=1, most=2)
        tasks = await _ask(gathering, 1, 12, 13, 14)
        work.may_go_on.release(3)
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [told[0], told[3]] == [10, 140]
        assert [type(each) for each in told[1:3]] == [ValueError, ValueError]

    _play(script)


@pytest.mark.parametrize("gone", [2, 3])
def test_one_that_goes_away_holds_up_nobody(gone: int) -> None:
    """Whether it only waited, or was the next to do the work."""

    async def script(work: Work) -> None:
        gathering = Gathering(work, lanes=1, most=9)
        first = await _ask(gathering, 1)
        await _begun(work, 1)
        tasks = await _ask(gathering, 2, 3, 4)
        tasks[gone - 2].cancel()
        work.may_go_on.release(2)
        told = await asyncio.gather(*first, *tasks, return_exceptions=True)
        left = [number for number in (1, 2, 3, 4) if number != gone]
        assert [each for each in told if isinstance(each, int)] == [10 * number for number in left]
        work.may_go_on.release(1)
        assert await gathering(5) == 50, "and the lane is free again"

    _play(script)


def test_one_that_goes_away_just_when_it_is_to_do_the_work() -> None:
    async def script(work: Work) -> None:
        gathering = Gathering(work, lanes=1, most=9)
        first = await _ask(gathering, 1)
        await _begun(work, 1)
        second, third = await _ask(gathering, 2, 3)
        work.may_go_on.release(2)
        while not first[0].done():  # its last act is to hand on
            await asyncio.sleep(0)
        second.cancel()
        assert await third == 30

    _play(script)
