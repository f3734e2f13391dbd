"""How a container of an attempt is started once, whoever launches it and however often.

An engine starts an ended container again when it is asked to: a dispatcher that hung between its last look and its
start would run the command twice. So a start is addressed to a name that only one launcher knows, and that the next
launcher takes away first:

1. look for the attempt's container by its label; make one, under the attempt's own name, where there is none;
2. rename it to a name of one's own (from now on no start of an earlier launcher finds it);
3. look whether it has been started before that; if not, start it by the new name.

Who gets "no such container" at 3 was overtaken, and looks again. A launcher that creates late makes a second container
under the attempt's name, sees the first one, which has been renamed, and removes its own.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from skylift.provider import Unreachable
from skylift_docker import secret_env
from skylift_docker.client import Engine
from skylift_docker.errors import is_conflict, is_missing
from skylift_docker.request import ATTEMPT_LABEL, Creation

ROUNDS = 20
NOT_STARTED = frozenset(["created", "configured", "initialized"])


@dataclass(frozen=True, slots=True)
class Found:
    """A container as the engine lists it."""

    id: str
    name: str
    state: str
    created: float
    labels: Mapping[str, str]

    @property
    def is_unstarted(self) -> bool:
        return self.state in NOT_STARTED


def found(summary: Mapping[str, Any]) -> Found:
    names = summary.get("Names") or [""]
    labels = summary.get("Labels") or {}
    return Found(summary["Id"], names[0].lstrip("/"), str(summary["State"]).lower(), summary["Created"], labels)


def of_attempt(engine: Engine, attempt_id: UUID) -> list[Found]:
    return [found(each) for each in engine.containers(f"{ATTEMPT_LABEL}={attempt_id}")]


def chosen(containers: Sequence[Found], base: str | None = None) -> Found | None:
    """The attempt's one container: of several, the one that was renamed or started. `base`: the attempt's own name."""

    def rank(each: Found) -> tuple[bool, bool, float, str]:
        attempt = each.labels.get(ATTEMPT_LABEL, "")
        is_fresh = each.name == base if base else each.name.endswith(attempt)
        return each.is_unstarted and is_fresh, each.is_unstarted, each.created, each.id

    return min(containers, key=rank, default=None)


def start_once(engine: Engine, creation: Creation, attempt_id: UUID) -> str:
    """The container's id, once it has been started by us or another. Raises what the engine's calls raise."""
    is_made = False
    for _ in range(ROUNDS):
        container = _settled(engine, creation, attempt_id)
        if container is None:
            if is_made:
                break  # stopped, or cleaned up, while we were at it
            is_made = _create(engine, creation)
            if is_made:
                continue
        elif not container.is_unstarted or _start(engine, creation, container):
            return container.id
        time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - others are at it at the same moment
    raise Unreachable(f"The container of attempt {attempt_id} was removed, or taken over, while it was being started")


def discard(engine: Engine, attempt_id: UUID) -> None:
    """Remove what was made and not started, after a refusal; what cannot be removed now is cleaned up later."""
    with suppress(Exception):
        for each in of_attempt(engine, attempt_id):
            if each.is_unstarted:
                engine.remove(each.id)


def _create(engine: Engine, creation: Creation) -> bool:
    """Says whether we made one; if not, another has just done so, and it is about to be seen."""
    try:
        engine.create(creation.name, creation.arguments)
    except Exception as error:
        if not is_conflict(error):
            raise
        return False
    return True


def _settled(engine: Engine, creation: Creation, attempt_id: UUID) -> Found | None:
    """The attempt's container, with none beside it that came too late."""
    there = of_attempt(engine, attempt_id)
    first = chosen(there, creation.name)
    for each in there:
        is_late = each.is_unstarted and each.name == creation.name
        if first and each.id != first.id and is_late:
            _ignoring_absence(engine.remove, each.id)
    return first


def _start(engine: Engine, creation: Creation, container: Found) -> bool:
    """Says whether it has been started, by us or another; if not, another has taken it over."""
    name = f"{creation.name}-{secrets.token_hex(4)}"
    with _unless_gone(engine, container.id) as prepared:
        if creation.secret_env:
            engine.put_archive(container.id, secret_env.archive(creation.secret_env))
        for network in creation.more_networks:
            _connect(engine, container.id, network)
        engine.rename(container.id, name)
        if engine.inspect(container.id)["State"]["Status"] not in NOT_STARTED:
            return True
    if not prepared:
        return False
    with _unless_gone(engine, name) as started:
        engine.start(name)
    return bool(started)


@contextmanager
def _unless_gone(engine: Engine, container: str) -> Iterator[list[bool]]:
    """The list stays empty where something was not found because there is no such container (any more). "Not found"
    is also said of what a container needs: a network, its command."""
    done: list[bool] = []
    try:
        yield done
        done.append(True)
    except Exception as error:
        if not is_missing(error) or _exists(engine, container):
            raise


def _exists(engine: Engine, container: str) -> bool:
    try:
        engine.inspect(container)
    except Exception as error:
        if is_missing(error):
            return False
        raise
    return True


def _connect(engine: Engine, container: str, network: str) -> None:
    try:
        engine.connect(container, network)
    except Exception as error:
        told = str(error)
        if "already exists in network" not in told and "already connected" not in told:
            raise


def _ignoring_absence(call: Callable[[str], None], container: str) -> None:
    try:
        call(container)
    except Exception as error:
        if not is_missing(error):
            raise
