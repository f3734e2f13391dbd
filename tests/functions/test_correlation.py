"""Lines of a function's threads carry the ids of the invocation that started them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import pytest

from skylift import observe
from skylift.dispatch import dispatch
from skylift.provider import Launch
from skylift.threads import Threads
from skylift_functions.azure import telemetry as azure
from skylift_functions.gcp import telemetry as gcp
from tests.support.installation import Installation


@contextmanager
def _azures(id_: str) -> Iterator[None]:
    with azure.telling(function="dispatch", correlation_id=id_):
        yield


@contextmanager
def _googles(id_: str) -> Iterator[None]:
    gcp.correlate("dispatch", {"X-CloudTasks-TaskName": id_})
    yield


PLATFORMS = {
    "azure": (_azures, azure.line, "correlation_id"),
    "gcp": (_googles, gcp.Lines().format, "task"),
}


class Kept(logging.Handler):
    """Lines as a platform writes them, in the thread that they come from."""

    def __init__(self, write: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self.write, self.lines = write, list[dict[str, Any]]()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append({"thread": record.threadName, **json.loads(self.write(record))})


@pytest.mark.parametrize("platform", PLATFORMS)
def test_launches_and_healing(platform: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    invocation: Callable[[str], AbstractContextManager[None]]
    invocation, write, field = PLATFORMS[platform]
    place, kept = Installation(sqlite_url), Kept(write)
    logger = logging.getLogger("skylift")
    logger.addHandler(kept)
    monkeypatch.setattr(logger, "level", logging.INFO)

    def fail(_launch: Launch) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(place.cloud, "launch", fail)
    try:
        pool = place.pool()
        place.run(place.deployment().id)
        with invocation("the first"):
            dispatch(place.parts, pool.id)
        place.clock.at += timedelta(minutes=2)
        with invocation("the second"):
            observe.observe(place.parts)
    finally:
        logger.removeHandler(kept)
        place.close()
    told = {(line["thread"].split("_")[0], line[field]) for line in kept.lines if "thread" in line}
    assert {("launch", "the first"), ("heal", "the second")} <= told
    assert all(line[field] in ("the first", "the second") for line in kept.lines)


def test_what_was_asked_for_elsewhere_is_not_mixed_up() -> None:
    with Threads(2) as threads:
        with azure.telling(correlation_id="a"):
            calls = [threads.submit(azure.line, logging.makeLogRecord({"msg": "x"})) for _ in range(4)]
        with azure.telling(correlation_id="b"):
            lines = list(threads.map(azure.line, [logging.makeLogRecord({"msg": "x"})] * 4))
    assert {json.loads(each.result())["correlation_id"] for each in calls} == {"a"}
    assert {json.loads(each)["correlation_id"] for each in lines} == {"b"}
