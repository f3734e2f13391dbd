"""The façade over Modal's SDK: everything that the provider asks of Modal, each with its time limit.

Modal has no permissions for single calls: a token's user or service user has a role in an environment. `CALLS` says
which RPCs are made all the same, so that the local Modal can refuse every other, and `ROLE` what to give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from skylift.extras import sdk
from skylift_modal import creation, records
from skylift_modal.connection import Connection, connection
from skylift_modal.departure import Departure
from skylift_modal.errors import still_building
from skylift_modal.records import Record
from skylift_modal.request import Place, Plan

READ_TIMEOUT = 15.0
LAUNCH_TIMEOUT = 40.0
"""Seconds for all of a launch; the hook stops what would be sent later anyway."""
PIECE = 1_000_000
"""Characters of output that one call reads at most, about."""
ROLE = "contributor in the Modal environment that the pool names"
CALLS = frozenset(
    """
    AppCountLogs AppFetchLogs AppGetOrCreate AuthTokenGet EnvironmentGetOrCreate ImageGetOrCreate ImageJoinStreaming
    SandboxCreate SandboxCreateV2 SandboxGetFromName SandboxGetFromNameV2 SandboxGetTaskId SandboxGetTaskIdV2
    SandboxListV2 SandboxTagsGet SandboxTagsGetV2 SandboxTagsSet SandboxTagsSetV2 SandboxTerminate SandboxTerminateV2
    SandboxWait SandboxWaitV2 SecretGetOrCreate TokenInfoGet VolumeGetOrCreate
    """.split()
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose token it is."""

    workspace_id: str
    workspace: str
    who: str
    expires: datetime | None
    is_service_user: bool = False


class Modal:
    """One place: an App in an environment, reached with one token. Safe to use from many threads."""

    def __init__(self, place: Place) -> None:
        """Connects, unless the process is connected already. Raises `Unreachable`."""
        self.place = place
        self.connection: Connection = connection(place.modal_credentials)

    @property
    def environment(self) -> str:
        """Its name; empty for the workspace's default."""
        return self.place.environment_name or sdk("modal.config", extra="modal").config.get("environment") or ""

    def identify(self) -> Identity:
        async def ask(client: Any) -> Any:
            return await client._stub.TokenInfoGet(sdk("modal_proto.api_pb2", extra="modal").TokenInfoGetRequest())

        told = self.connection.run(ask, READ_TIMEOUT)
        service_user = told.service_user_identity.service_user_name
        who = service_user or told.user_identity.username
        expires = told.expires_at.ToDatetime(UTC) if told.expires_at.seconds else None
        return Identity(told.workspace_id, told.workspace_name, who, expires, bool(service_user))

    def launch(self, plan: Plan, attempt_id: UUID, departure: Departure) -> Record:
        """The attempt's sandbox, made unless there is, or was, one. Raises the port's errors."""

        async def start(client: Any) -> Record:
            return await creation.start(self.connection, client, self, plan, attempt_id, departure)

        try:
            return self.connection.run(start, LAUNCH_TIMEOUT)
        except Exception as error:
            if departure.building and isinstance(error.__cause__, TimeoutError):
                raise still_building() from error
            raise

    def of_attempt(self, attempt_id: UUID) -> list[Record]:
        """Its sandboxes that were not cleaned up, the oldest first."""

        async def ask(client: Any) -> list[Record]:
            return await self.find(client, attempt_id)

        return [each for each in self.connection.run(ask, READ_TIMEOUT) if not each.cleaned]

    def of_attempts(self, attempt_ids: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
        """The same of several, side by side; those that could not be asked about are left out."""

        async def ask(client: Any) -> list[Any]:
            await creation.app_id(self.connection, self)  # one look for all
            return await records.at_most([lambda each=each: self.find(client, each) for each in attempt_ids])  # type: ignore[misc]

        answers = self.connection.run(ask, READ_TIMEOUT)
        return {
            attempt_id: [each for each in answer if not each.cleaned]
            for attempt_id, answer in zip(attempt_ids, answers, strict=True)
            if not isinstance(answer, BaseException)
        }

    def every(self, tags: Mapping[str, str], age: timedelta) -> list[Record]:
        """Sandboxes with these tags that are not older than this, running or ended, the newest first."""
        since = (datetime.now(UTC) - age).timestamp()

        async def ask(client: Any) -> list[Record]:
            app_id = await creation.app_id(self.connection, self)
            return await records.every(client, app_id, tags, since=since) if app_id else []

        return self.connection.run(ask, READ_TIMEOUT)

    def terminate(self, record: Record) -> None:
        self.connection.run(lambda client: records.terminate(client, record.id), READ_TIMEOUT)

    def retag(self, record: Record, tags: Mapping[str, str]) -> None:
        self.connection.run(lambda client: records.retag(client, record.id, self.environment, tags), READ_TIMEOUT)

    def last_entries(self, record: Record, number: int) -> list[tuple[datetime, str]]:
        """The last pieces of its output, each with one line, several or a part of one."""

        async def read(_: Any) -> list[tuple[datetime, str]]:
            logs = (await self._sandbox(record)).logs
            return [(each.timestamp, each.message) async for each in logs.tail.aio(number) if each.source != "system"]

        return self.connection.run(read, READ_TIMEOUT)

    def entries_since(self, record: Record, since: datetime) -> list[tuple[datetime, str]]:
        """The pieces of its output since then, in their order."""

        async def read(_: Any) -> list[tuple[datetime, str]]:
            logs, found, size = (await self._sandbox(record)).logs, [], 0
            async for each in logs.fetch.aio(since=since):
                if each.source != "system":
                    found.append((each.timestamp, each.message))
                    size += len(each.message)
                if size > PIECE:
                    break
            return found

        return self.connection.run(read, READ_TIMEOUT)

    def look_up(self, kind: str, name: str, *keys: str) -> None:
        """Whether a `Secret` (that has these keys) or `Volume` of this name is there. Raises `Rejected` where not."""

        async def ask(_: Any) -> None:
            extra = {"required_keys": list(keys)} if keys else {}
            found = getattr(sdk("modal", extra="modal"), kind).from_name
            named = found(name, environment_name=self.environment or None, **extra)
            await named.hydrate.aio(self.connection.client)

        self.connection.run(ask, READ_TIMEOUT)

    def has_app(self) -> bool:
        """Raises `Rejected` where the environment is not there."""

        async def ask(_: Any) -> bool:
            return bool(await creation.app_id(self.connection, self))

        return self.connection.run(ask, READ_TIMEOUT)

    async def find(self, client: Any, attempt_id: UUID) -> list[Record]:
        """Within the SDK's event loop."""
        app_id = await creation.app_id(self.connection, self)
        return await records.of_attempt(client, app_id, self.place.app_name, self.environment, attempt_id)

    async def _sandbox(self, record: Record) -> Any:
        return await sdk("modal", extra="modal").Sandbox.from_id.aio(record.id, client=self.connection.client)
