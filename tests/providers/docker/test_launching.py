"""One start, whoever launches, however their calls are interleaved, and whoever dies between two of them."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from skylift.provider import Unreachable
from skylift_docker import launching
from skylift_docker.client import Engine
from skylift_docker.request import ATTEMPT_LABEL, Creation

ATTEMPT = uuid4()
CREATION = Creation(f"skylift-{ATTEMPT}", {"labels": {ATTEMPT_LABEL: str(ATTEMPT)}})
PATIENCE = 10.0


class RefusalError(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.response = SimpleNamespace(status_code=status, text=words, reason=words)


@dataclass
class Turns:
    """Launchers take turns, one call each; whose turn it is, chance decides."""

    change: threading.Condition = field(default_factory=threading.Condition)
    waiting: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    allowed: str | None = None

    def wait(self) -> None:
        me = threading.current_thread().name
        with self.change:
            self.waiting.add(me)
            self.change.notify_all()
            assert self.change.wait_for(lambda: self.allowed == me, PATIENCE)
            self.waiting.discard(me)
            self.allowed = None
            self.change.notify_all()

    def end(self) -> None:
        with self.change:
            self.done.add(threading.current_thread().name)
            self.change.notify_all()

    def give(self, name: str) -> None:
        """Let it make one call, and wait until it stands before its next one, or is done."""
        with self.change:
            self.allowed = name
            self.change.notify_all()
            assert self.change.wait_for(lambda: self.allowed is None, PATIENCE)
            assert self.change.wait_for(lambda: name in self.waiting | self.done, PATIENCE)


class ModelEngine:
    """What engines do: unique names; a start of one that has ended starts it again."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.all: dict[str, dict[str, Any]] = {}
        self.starts = 0

    def _get(self, key: str) -> dict[str, Any]:
        for each in self.all.values():
            if key in (each["Id"], each["Names"][0][1:]):
                return each
        raise RefusalError(404, f"No such container: {key}")

    def containers(self, label: str) -> list[dict[str, Any]]:
        self.turns.wait()
        return [dict(each) for each in self.all.values()]

    def create(self, name: str, arguments: dict[str, Any]) -> None:
        self.turns.wait()
        if any(each["Names"] == [f"/{name}"] for each in self.all.values()):
            raise RefusalError(409, f"Conflict. The container name {name} is already in use")
        made: dict[str, Any] = {"Id": uuid4().hex, "Names": [f"/{name}"], "State": "created", "Created": len(self.all)}
        self.all[made["Id"]] = made | {"Labels": arguments["labels"]}

    def inspect(self, key: str) -> dict[str, Any]:
        self.turns.wait()
        return {"State": {"Status": self._get(key)["State"]}}

    def rename(self, key: str, name: str) -> None:
        self.turns.wait()
        self._get(key)["Names"] = [f"/{name}"]

    def start(self, key: str) -> None:
        self.turns.wait()
        container = self._get(key)
        if container["State"] != "running":
            container["State"] = "running"
            self.starts += 1

    def remove(self, key: str) -> None:
        self.turns.wait()
        container = self._get(key)
        if container["State"] == "running":
            raise RefusalError(409, "cannot remove a running container")
        del self.all[container["Id"]]

    def end_what_runs(self) -> None:
        for each in self.all.values():
            if each["State"] == "running":
                each["State"] = "exited"


def launch(engine: ModelEngine, results: list[Any]) -> None:
    try:
        results.append(launching.start_once(cast("Engine", engine), CREATION, ATTEMPT))
    except (Unreachable, RefusalError) as error:
        results.append(error)
    finally:
        engine.turns.end()


@pytest.mark.parametrize("seed", range(150))
def test_it_starts_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    turns, results = Turns(), list[Any]()
    engine = ModelEngine(turns)
    names = [f"launcher-{number}" for number in range(chance.randint(2, 4))]
    threads = [threading.Thread(target=launch, args=(engine, results), name=name, daemon=True) for name in names]
    for thread in threads:
        thread.start()
    frozen = set[str]()
    """Those that hang for a while, as a process that is not given any time: their next call comes late."""
    for _ in range(1000):
        alive = [name for name in names if name not in turns.done]
        ready = [name for name in alive if name not in frozen]
        if chance.random() < 0.15 and len(ready) > 1:
            frozen.add(chance.choice(ready))
            continue
        if not ready or chance.random() < 0.05:
            frozen.clear()
        if not alive:
            break
        if ready:
            turns.give(chance.choice(ready))
        if chance.random() < 0.3:
            engine.end_what_runs()
    for thread in threads:
        thread.join(PATIENCE)
    assert engine.starts == 1
    handles = {each for each in results if isinstance(each, str)}
    (container,) = engine.all.values()
    assert handles == {container["Id"]}
    assert len(results) == len(threads)


def test_the_one_that_was_started_is_chosen() -> None:
    label = {ATTEMPT_LABEL: str(ATTEMPT)}
    late = launching.Found("a", CREATION.name, "created", 1, label)
    renamed = launching.Found("b", f"{CREATION.name}-0a1b", "created", 2, label)
    ended = launching.Found("c", CREATION.name, "exited", 3, label)
    assert launching.chosen([late, renamed]) == renamed
    assert launching.chosen([late, renamed], CREATION.name) == renamed
    assert launching.chosen([late, ended]) == ended
    assert launching.chosen([]) is None
