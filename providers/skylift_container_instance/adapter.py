"""The `azure-container-instance:push` provider: each attempt is a container group of its own.

Azure has no idempotency token: a second PUT of a group restarts its container, and a PUT of one that was deleted brings
it back. So a launch looks for the group first, and puts it only where there is none, once, never retried by the SDK.
Two launches that are under way at once may still both put it. Then admission keeps a run under the runner from running
twice; a bare command may be started again. The core makes that rare: another launch begins only when the lease and
`call_timeout` of the first are over. For the same reason nothing is deleted but by `cleanup`, after the end was seen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from skylift.provider import Finding, Heard, Launch, Observation, Quota, Rejected, TooLate, Watched
from skylift_container_instance import check, events, quota
from skylift_container_instance.client import Client, client_for
from skylift_container_instance.errors import InTransition, UnknownRefusal
from skylift_container_instance.looking import look
from skylift_container_instance.output import holds, is_open, lines_after, to_text
from skylift_container_instance.phases import TERMINAL
from skylift_container_instance.place import RESOURCE_GROUP, SUBSCRIPTION, Azure, Place, attempt_of, where_is
from skylift_container_instance.request import INSTALLATION, Request, build

SEND_WITHIN = 30.0
"""Seconds after which a launch sends nothing any more that could start something."""
RECENT = 1000
"""Lines that are asked for first, where some output is known already."""


class ContainerInstanceProvider:
    """Runs flow runs in Azure Container Instances."""

    type = "azure-container-instance:push"
    display_name = "Azure Container Instances (push)"
    description = "Runs each flow run as a container group in your own Azure subscription."
    call_timeout = 55.0  # SEND_WITHIN, and then as long as an answer is waited for
    look_every = 10.0
    python = "python"
    stops_softly = False
    remembers_stops = False
    hides_nonces = True

    def base_job_template(self) -> dict[str, Any]:
        text = (Path(__file__).parent / "base_job_template.json").read_text("utf-8")
        template: dict[str, Any] = json.loads(text)
        return template

    def quota(self, configuration: Mapping[str, Any]) -> Quota | None:
        return quota.quota(configuration)

    def launch(self, launch: Launch) -> str:
        until = time.monotonic() + SEND_WITHIN
        place = Place.of(launch.configuration)
        if not place:
            raise Rejected(
                "Neither the job configuration nor the service says where container groups are to be created",
                remedy="Set 'subscription_id' and 'resource_group_name', or, where Skylift runs, "
                f"{SUBSCRIPTION} and {RESOURCE_GROUP}",
            )
        wanted = build(launch, place)
        client = client_for(place)
        try:
            return self._launch(client, wanted, _in_time(launch, until))
        except UnknownRefusal:
            return self._launch(client, wanted, _in_time(launch, until))

    def _launch(self, client: Client, wanted: Request, ensure_in_time: Callable[[], None]) -> str:
        place = wanted.place
        if client.get(place.resource_group, wanted.name):  # nobody else's group has the attempt's id in its name
            return place.group_id(wanted.name)
        body = wanted.body if "location" in wanted.body else {**wanted.body, "location": client.location_of(place)}
        try:
            client.create(place.resource_group, wanted.name, body, ensure_in_time)
        except InTransition:
            pass  # another launch of this attempt was quicker by less than a look
        return place.group_id(wanted.name)

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        """Stops what can never start, and what is beyond its time limit, before it says that it has ended."""
        return look(watched)

    def stop(self, watched: Watched, grace: float) -> None:
        """Azure leaves no choice of how: it ends the containers, after a grace of its own. Raises `Unreachable` for a
        group that takes no orders yet; the core asks again."""
        found = where_is(watched)
        if found:
            place, name = found
            client_for(place).stop(place.resource_group, name)

    def logs(self, watched: Watched, last: int) -> list[str]:
        found = where_is(watched)
        if not found or last <= 0:
            return []
        place, name = found
        text = client_for(place).output(place.resource_group, name, last=last)
        return [to_text(each) for each in text.removesuffix("\n").split("\n")][-last:] if text else []

    def output_since(self, watched: Watched, offset: int) -> tuple[list[tuple[datetime, str]], int]:
        """See `skylift.provider.ForwardsOutput`, and `output` on what an offset is."""
        found = where_is(watched)
        if not found:
            return [], offset
        client, (place, name) = client_for(found[0]), found
        text = client.output(place.resource_group, name, last=RECENT, timestamps=True) if offset else ""
        if not holds(text, offset):
            text = client.output(place.resource_group, name, timestamps=True)
        ended = is_open(text) and self._has_ended(client, place, name)
        lines = lines_after(text, offset, ended=ended)
        return [(each.at, each.text) for each in lines], lines[-1].offset if lines else offset

    def cleanup(self, watched: Watched) -> None:
        """Deletes the group. Azure allows 300 deletions an hour; what is refused, the core tries again later."""
        found = where_is(watched)
        if found:
            place, name = found
            client_for(place).delete(place.resource_group, name)

    def list_attempts(self, installation_id: UUID, configuration: Mapping[str, Any]) -> Sequence[Watched]:
        """See `skylift.provider.FindsStrays`."""
        place = Place.of(configuration)
        if not place:
            return []
        found = []
        for group in client_for(place).groups(place.resource_group):
            attempt_id = attempt_of(group.name)
            is_ours = group.tags.get(INSTALLATION) == str(installation_id)
            if is_ours and attempt_id and group.provisioning != "Deleting":
                found.append(Watched(attempt_id, place.group_id(group.name), place.as_configuration()))
        return found

    def read_event(self, event: Mapping[str, Any]) -> Sequence[Heard]:
        """See `skylift.provider.ReadsEvents`."""
        return events.read_event(event)

    def check(self, configuration: Mapping[str, Any]) -> Sequence[Finding]:
        """See `skylift.provider.Checks`."""
        return check.check(configuration)

    def links(self, watched: Watched) -> Mapping[str, str]:
        """See `skylift.provider.Links`."""
        found = where_is(watched)
        if not found:
            return {}
        place, name = found
        portal = Azure.of_the_operator().portal
        tenant = f"@{place.credentials.tenant_id}/" if place.credentials.tenant_id else ""
        group = f"{portal}/#{tenant}resource{place.group_id(name)}"
        return {
            "run": f"{group}/overview",
            "logs": f"{group}/containers",
            "quota": f"{portal}/#view/Microsoft_Azure_Capacity/QuotaMenuBlade/~/myQuotas",
        }

    @staticmethod
    def _has_ended(client: Client, place: Place, name: str) -> bool:
        group = client.get(place.resource_group, name)
        container = group and group.container
        return not group or group.state in TERMINAL or bool(container and container.state == "Terminated")


def _in_time(launch: Launch, until: float) -> Callable[[], None]:
    def ensure() -> None:
        launch.ensure_in_time()
        if time.monotonic() > until:
            raise TooLate

    return ensure
