"""The `ecs:push` provider: each attempt is one task of Amazon ECS, started with the attempt's id as its token.

RunTask with the same token and the same request answers with the task that it has started before, so a launch may be
repeated after any accident. What another process would need to know is in the account, or can be had from it: this
object only remembers answers.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID

from skylift.confidential import split_env
from skylift.provider import (
    BusyError,
    Finding,
    Heard,
    Launch,
    Observation,
    ProviderError,
    Quota,
    TooLate,
    Unreachable,
    Watched,
)
from skylift_ecs import check, definition, events, links, quota, request, secret_files, tasks
from skylift_ecs.client import Clients, EcsClient
from skylift_ecs.definitions import KEEP, Definitions
from skylift_ecs.error_table import StaleDefinition, UnknownRefusal
from skylift_ecs.handles import Handle, parse
from skylift_ecs.logs import Reader, Stream, stream_of
from skylift_ecs.network import Subnets
from skylift_ecs.observe import OVERDUE, observe

log = logging.getLogger(__name__)

LAST_SEND = 28.0
"""Seconds after a launch began within which its request goes out; with the time to connect and for the answer that is
less than `call_timeout`."""
TOKEN_AGE = timedelta(minutes=30)
"""ECS forgets a token an hour after its task has stopped at the earliest; long before that, an attempt is too old."""
STOPPED = "skylift: stopped"


@dataclass(frozen=True, slots=True)
class Reach:
    """Where an attempt is, and with which credentials it is reached."""

    client: EcsClient
    configuration: request.Configuration
    cluster: str
    handle: Handle | None


class EcsProvider:
    """Runs flow runs as tasks of Amazon ECS."""

    type = "ecs:push"
    display_name = "Amazon ECS (push)"
    description = "Runs each flow run as a task of Amazon ECS, on Fargate or on machines of your own."
    call_timeout = 45.0
    look_every = 5.0
    python = "python3"
    stops_softly = True
    remembers_stops = False

    def __init__(self, *, keep_definitions: timedelta = KEEP, settle: float = tasks.SETTLE) -> None:
        self.clients, self.definitions = Clients(), Definitions(keep_definitions)
        self.subnets, self.accounts = Subnets(), quota.Accounts()
        self.reader, self.missing = Reader(), tasks.Missing(settle)

    def base_job_template(self) -> dict[str, Any]:
        text = (files("skylift_ecs") / "base_job_template.json").read_text("utf-8")
        template: dict[str, Any] = json.loads(text)
        return template

    def quota(self, configuration: Mapping[str, Any]) -> Quota | None:
        try:
            known = request.reach(configuration)
            return quota.of(known, self.clients.of(known.credentials), self.accounts)
        except ProviderError:
            return Quota(*quota.FARGATE)

    # -- launch -------------------------------------------------------------------------------------------------------

    def launch(self, launch: Launch) -> str:
        began = time.monotonic()
        launch.ensure_in_time()
        if datetime.now(UTC) - launch.claimed_at > TOKEN_AGE:
            raise BusyError("The attempt is too old for ECS to tell whether it was started before; another is made")

        def last_word() -> None:
            launch.ensure_in_time()
            if time.monotonic() > began + LAST_SEND:
                raise TooLate

        configuration = request.read_configuration(launch.configuration)
        secrets = launch.secrets - configuration.credentials.plain
        request.check_secrets(configuration, secrets)
        shown, hidden = split_env(configuration.env, secrets)
        client = self.clients.of(configuration.credentials)
        wanted = None
        if not configuration.own_definition:
            wanted = definition.build(configuration, client.region, str(launch.installation_id))
        env_file = secret_files.write(client, configuration.secrets_bucket, launch, hidden) if hidden else None
        for is_last in (False, True):
            try:
                arn, target = self._definition(client, configuration, wanted)
                network = self._network(client, configuration, target)
                asked = request.run_task(configuration, launch, arn, target.container, shown, network, env_file)
                return client.run_task(asked, last_word)
            except StaleDefinition:
                if is_last or not wanted:
                    raise
                self.definitions.forget(client, wanted)
            except UnknownRefusal:
                if is_last:
                    raise
        raise AssertionError("the last round returns or raises")

    def _definition(
        self, client: EcsClient, configuration: request.Configuration, wanted: definition.Definition | None
    ) -> tuple[str, definition.Target]:
        if wanted:
            return self.definitions.arn(client, wanted), wanted.target
        name = str(configuration.own_definition)
        return name, definition.own_target(self.definitions.own(client, name), configuration)

    def _network(
        self, client: EcsClient, configuration: request.Configuration, target: definition.Target
    ) -> Mapping[str, Any] | None:
        if target.network_mode != "awsvpc":
            return None
        given = configuration.given_network
        return given or configuration.network(self.subnets.of(client, configuration.vpc_id))

    # -- watch --------------------------------------------------------------------------------------------------------

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        found: dict[UUID, Observation] = {}
        troubles: list[ProviderError] = []
        groups: dict[tuple[str, str], list[tuple[Watched, Reach]]] = {}
        for one in watched:
            try:
                reach = self._reach(one)
            except ProviderError as error:
                troubles.append(error)
            else:
                groups.setdefault((reach.client.key, reach.cluster), []).append((one, reach))
        for group in groups.values():
            try:
                found |= self._observed(group)
            except ProviderError as error:
                troubles.append(error)
        if troubles and not found:
            raise Unreachable(str(troubles[0]), remedy=troubles[0].remedy)
        return found

    def _observed(self, group: Sequence[tuple[Watched, Reach]]) -> dict[UUID, Observation]:
        client, cluster = group[0][1].client, group[0][1].cluster
        by_arn = {one.handle: one for one, _ in group if one.handle}
        seen = {
            by_arn[task["taskArn"]].attempt_id: task
            for task in tasks.describe(client, cluster, by_arn)
            if task["taskArn"] in by_arn
        }
        nameless = [one for one, _ in group if not one.handle]
        listed, uncertain = tasks.find(client, cluster, nameless) if nameless else ({}, set())
        seen |= listed
        found = {}
        for one, reach in group:
            if one.attempt_id in seen:
                found[one.attempt_id] = observe(seen[one.attempt_id])
                self._keep_time(reach, found[one.attempt_id])
            elif one.attempt_id not in uncertain and (not one.handle or self.missing.is_gone(one.handle)):
                found[one.attempt_id] = Observation("gone")
        return found

    def _keep_time(self, reach: Reach, seen: Observation) -> None:
        """ECS knows no time limit, so whoever looks keeps it."""
        limit = reach.configuration.timeout_seconds
        if limit is None or seen.phase != "running" or seen.started_at is None or seen.handle is None:
            return
        if datetime.now(UTC) > seen.started_at + timedelta(seconds=limit):
            reach.client.stop_task(reach.cluster, seen.handle, OVERDUE)

    def stop(self, watched: Watched, grace: float) -> None:
        """The grace is the container's `stopTimeout`, which was settled when it was launched."""
        reach = self._reach(watched)
        arns = [reach.handle.arn] if reach.handle else self._running_arns(reach, watched)
        for arn in arns:
            reach.client.stop_task(reach.cluster, arn, STOPPED)

    def _running_arns(self, reach: Reach, watched: Watched) -> list[str]:
        pages = reach.client.list_tasks(reach.cluster, started_by=request.started_by(watched.attempt_id))
        return [arn for page in pages for arn in page]

    def read_event(self, event: Mapping[str, Any]) -> Sequence[Heard]:
        """See `skylift.provider.ReadsEvents`: EventBridge's "ECS Task State Change"."""
        return events.read(event)

    # -- logs ---------------------------------------------------------------------------------------------------------

    def logs(self, watched: Watched, last: int) -> list[str]:
        reach = self._reach(watched)
        stream = self._stream(reach, self._located(reach, watched))
        return self.reader.last(reach.client, stream, last) if stream else []

    def output_since(self, watched: Watched, offset: int) -> tuple[list[tuple[datetime, str]], int]:
        """See `skylift.provider.ForwardsOutput`."""
        reach = self._reach(watched)
        stream = self._stream(reach, self._located(reach, watched))
        return self.reader.since(reach.client, stream, offset) if stream else ([], offset)

    def _located(self, reach: Reach, watched: Watched) -> Handle | None:
        if reach.handle:
            return reach.handle
        found, _ = tasks.find(reach.client, reach.cluster, [watched])
        task = found.get(watched.attempt_id)
        return parse(task["taskArn"], reach.cluster) if task else None

    def _stream(self, reach: Reach, handle: Handle | None) -> Stream | None:
        if not handle:
            return None
        name = reach.configuration.own_definition
        if name:
            target = definition.own_target(self.definitions.own(reach.client, name), reach.configuration)
        else:
            target = definition.build(reach.configuration, handle.region, "").target
        return stream_of(target, handle)

    def links(self, watched: Watched) -> Mapping[str, str]:
        """See `skylift.provider.Links`."""
        configuration = request.reach(watched.configuration)
        handle = parse(watched.handle, configuration.place)
        if not handle:
            return {}
        own = configuration.own_definition
        target = None if own else definition.build(configuration, handle.region, "").target
        return links.links(handle, stream_of(target, handle))

    # -- clean up -----------------------------------------------------------------------------------------------------

    def cleanup(self, watched: Watched) -> None:
        """ECS itself forgets an ended task after about an hour, and lets nobody remove it before."""
        configuration = request.reach(watched.configuration)
        if configuration.runner or not configuration.secrets_bucket:
            return
        try:
            secret_files.remove(
                self.clients.of(configuration.credentials), configuration.secrets_bucket, watched.attempt_id
            )
        except ProviderError as error:
            raise Unreachable(str(error), remedy=error.remedy) from error

    def list_attempts(self, installation_id: UUID, configuration: Mapping[str, Any]) -> Sequence[Watched]:
        """See `skylift.provider.FindsStrays`. Ended tasks that left no secrets behind have nothing to be cleaned."""
        known = request.reach(configuration)
        client = self.clients.of(known.credentials)
        there = tasks.running(client, known.place)
        found = {}
        for task in there:
            attempt = request.attempt_of(task)
            tags = {each["key"]: each.get("value") for each in task.get("tags") or []}
            if attempt and tags.get(request.INSTALLATION) == str(installation_id):
                found[attempt] = Watched(attempt, task["taskArn"], configuration)
        if known.secrets_bucket:
            for attempt in secret_files.attempts(client, known.secrets_bucket, installation_id) - set(found):
                found[attempt] = Watched(attempt, None, {**configuration, "runner": False})
        self._collect(client, installation_id, known, {task["taskDefinitionArn"] for task in there})
        return list(found.values())

    def _collect(
        self, client: EcsClient, installation_id: UUID, known: request.Configuration, in_use: set[str]
    ) -> None:
        own = known.task_definition.get("family")
        try:
            self.definitions.collect(client, installation_id, {own} if own else set(), in_use)
        except ProviderError as error:  # none of it keeps a run from being looked at
            log.warning("Old task definitions could not be collected: %s", error)

    def check(self, configuration: Mapping[str, Any]) -> Sequence[Finding]:
        """See `skylift.provider.Checks`."""
        return check.check(configuration, self.clients.of)

    # -- where --------------------------------------------------------------------------------------------------------

    def _reach(self, watched: Watched) -> Reach:
        configuration = request.reach(watched.configuration)
        handle = parse(watched.handle, configuration.place)
        client = self.clients.of(configuration.credentials)
        return Reach(client, configuration, handle.cluster if handle else configuration.place, handle)
