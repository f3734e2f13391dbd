"""What became of many attempts: few calls, side by side; groups that Azure would go on with for nothing are stopped."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from skylift.provider import Observation, ProviderError, Unreachable, Watched
from skylift.threads import Threads
from skylift_container_instance.client import Client, client_for
from skylift_container_instance.errors import InTransition
from skylift_container_instance.phases import has_begun, judge, needs_a_look
from skylift_container_instance.place import Place, where_is
from skylift_container_instance.views import Group

log = logging.getLogger(__name__)

FEW = 3
"""So many are asked about one by one; more of one resource group begin with its list."""
THREADS = 8


def look(watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
    """By attempt. Whoever could not be asked about is left out; raises `Unreachable` where that is everybody."""
    by_place: dict[Place, list[tuple[Watched, str]]] = {}
    troubles: list[ProviderError] = []
    for one in watched:
        found = where_is(one)
        if found:
            by_place.setdefault(found[0], []).append((one, found[1]))
        else:
            troubles.append(Unreachable(f"Nothing tells where the container group of attempt {one.attempt_id} is"))
    seen: dict[UUID, Observation] = {}
    with Threads(THREADS, "azure") as threads:
        for place, some in by_place.items():
            try:
                listed = _listed(place) if len(some) > FEW else {}
            except ProviderError as error:
                troubles.append(error)
                continue
            calls = {one.attempt_id: threads.submit(_look_at, place, one, name, listed) for one, name in some}
            for attempt_id, call in calls.items():
                try:
                    seen[attempt_id] = call.result()
                except ProviderError as error:
                    troubles.append(error)
    if troubles and not seen:
        raise Unreachable(str(troubles[0]), remedy=troubles[0].remedy)
    for trouble in troubles:
        log.warning("A container group could not be asked about: %s", trouble)
    return seen


def _listed(place: Place) -> dict[str, Group]:
    return {each.name.lower(): each for each in client_for(place).groups(place.resource_group)}


def _look_at(place: Place, one: Watched, name: str, listed: Mapping[str, Group]) -> Observation:
    """Lists hold no instance views, and only `get` knows for sure that something is not there."""
    client = client_for(place)
    group = listed.get(name.lower())
    if group is None or needs_a_look(group):
        group = client.get(place.resource_group, name)
    if group is None:
        return Observation("gone", one.handle)
    limit = float(one.configuration.get("timeout_seconds") or 0) or None
    judgement = judge(group, now=datetime.now(UTC), time_limit=limit)
    observation = judgement.observation
    if judgement.must_stop:
        observation = _after_a_stop(client, place, name, observation, limit)
    return replace(observation, handle=one.handle or place.group_id(name))  # Azure's own may differ in case


def _after_a_stop(client: Client, place: Place, name: str, seen: Observation, limit: float | None) -> Observation:
    """Azure tries on by itself: an end is true only once Azure was told to stop, and nothing began meanwhile."""
    try:
        client.stop(place.resource_group, name)
    except InTransition:
        return seen if seen.phase == "running" else Observation("starting", reason=seen.reason)
    group = client.get(place.resource_group, name)
    if group and has_begun(group):
        return judge(group, now=datetime.now(UTC), time_limit=limit).observation
    return seen
