"""Task definitions in the account: registered once per content, found again by their hash, collected when unused.

ECS lets an account register one definition a second and refuses two at once in a family, so however many runs are
launched side by side, one of them asks and the others wait for its answer.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

from skylift.provider import ProviderError, Rejected, Unreachable
from skylift_ecs.client import EcsClient
from skylift_ecs.definition import HASH, PREFIX, Definition
from skylift_ecs.request import INSTALLATION

T = TypeVar("T")
PATIENCE = 25.0
"""Seconds that a launch waits for another's answer."""
REVISIONS = 20
"""How many of a family's revisions are looked through for the hash."""
OWN_FOR = 300.0
"""Seconds that what a user's own definition says is believed: its family may have got a new revision."""
KEEP = timedelta(days=7)
"""How old a definition that nothing uses must be to be collected. One that is needed again is registered anew."""
COLLECT_EVERY = 3600.0
FAMILIES = 50
"""Families that one collection looks at."""


class Definitions:
    """What this process knows of task definitions."""

    def __init__(self, keep: timedelta = KEEP) -> None:
        self.keep = keep
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, ...], Future[Any]] = {}
        self._own_until: dict[tuple[str, ...], float] = {}
        self._collected: dict[str, float] = {}

    def arn(self, client: EcsClient, wanted: Definition) -> str:
        """Of the registered definition; registers it where it is not there."""
        return self._once((client.key, wanted.family, wanted.hash), lambda: _find_or_register(client, wanted))

    def own(self, client: EcsClient, name: str) -> Mapping[str, Any]:
        """What a definition that the user has made says. Raises `Rejected` where there is none."""
        key = (client.key, name)
        with self._lock:
            if self._own_until.get(key, 0) < time.monotonic():
                self._answers.pop(key, None)
                self._own_until[key] = time.monotonic() + OWN_FOR
        return self._once(key, lambda: _own(client, name))

    def forget(self, client: EcsClient, wanted: Definition) -> None:
        """It was deregistered: the next that wants it looks again."""
        with self._lock:
            self._answers.pop((client.key, wanted.family, wanted.hash), None)

    def _once(self, key: tuple[str, ...], work: Callable[[], T]) -> T:
        """The answer that is known, or else `work`'s, done by one for all who ask meanwhile. Trouble is told to those
        who wait, and not remembered."""
        with self._lock:
            answer = self._answers.get(key)
            mine: Future[Any] | None = None
            if answer is None:
                answer = mine = self._answers[key] = Future()
        if mine is None:
            return cast("T", _waited(answer))
        try:
            mine.set_result(work())
        except BaseException as error:
            with self._lock:
                self._answers.pop(key, None)
            mine.set_exception(error if isinstance(error, ProviderError) else Unreachable("The launch was cut short"))
            raise
        return cast("T", _waited(mine))

    def collect(self, client: EcsClient, installation_id: UUID, families: set[str], in_use: set[str]) -> int:
        """Deregister old definitions of this installation's that no task uses; says how many. `families`: those of
        users' own naming. Once an hour at most."""
        with self._lock:
            if time.monotonic() - self._collected.get(client.key, -COLLECT_EVERY) < COLLECT_EVERY:
                return 0
            self._collected[client.key] = time.monotonic()
        count = 0
        for family in [*sorted(families), *client.list_families(PREFIX, FAMILIES)]:
            for arn in client.list_definitions(family, REVISIONS):
                found = None if arn in in_use else client.describe_definition(arn)
                if found and self._is_old(found, installation_id):
                    client.deregister_definition(arn)
                    count += 1
        return count

    def _is_old(self, found: Mapping[str, Any], installation_id: UUID) -> bool:
        ours = found["tags"].get(INSTALLATION) == str(installation_id) and HASH in found["tags"]
        registered = found.get("registeredAt")
        return ours and isinstance(registered, datetime) and registered < datetime.now(UTC) - self.keep


def _waited(answer: Future[T]) -> T:
    try:
        return answer.result(PATIENCE)
    except TimeoutError:
        raise Unreachable(
            f"The task definition was not registered within {PATIENCE:g} s", remedy="It is tried again by itself"
        ) from None
    except ProviderError as error:
        raise copy.copy(error) from None  # each thread its own: what is raised is changed on its way


def _find_or_register(client: EcsClient, wanted: Definition) -> str:
    latest = client.describe_definition(wanted.family)
    if latest and latest.get("status") != "INACTIVE":
        if latest["tags"].get(HASH) == wanted.hash:
            return str(latest["taskDefinitionArn"])
        # A family of the user's naming: several definitions may take turns in it.
        for arn in client.list_definitions(wanted.family, REVISIONS):
            found = None if arn == latest["taskDefinitionArn"] else client.describe_definition(arn)
            if found and found["tags"].get(HASH) == wanted.hash:
                return arn
    if wanted.target.logs:
        client.create_log_group(wanted.target.logs.group)
    return client.register_definition(wanted.request)


def _own(client: EcsClient, name: str) -> Mapping[str, Any]:
    found = client.describe_definition(name)
    if not found or found.get("status") == "INACTIVE":
        raise Rejected(
            "The task definition that 'task_definition_arn' names is not there, or was deregistered",
            remedy="Correct 'task_definition_arn', or leave it out to have one registered",
        )
    return found
