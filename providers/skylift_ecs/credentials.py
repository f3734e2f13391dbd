"""Which AWS account and region: the credentials of a work pool, and the SDK's sessions and clients for them.

Sessions are kept per process: making one costs a tenth of a second, and each holds the connections of its clients.
"""

from __future__ import annotations

import hashlib
import json
import threading
from functools import cache, partial
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from skylift.addresses import is_metadata
from skylift.extras import sdk

EXTRA = "ecs"
CONNECT, READ = 3, 12
"""Seconds that one call may take to connect, and that it waits for an answer."""
ROLE_SESSION = "skylift"


class Credentials(BaseModel):
    """The fields of a block `aws-credentials`, ours and those of Prefect's block of that name. Empty: whatever this
    process is signed in with (a function's role, environment variables, a profile)."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = None
    aws_session_token: str | None = None
    profile_name: str | None = None
    region_name: str | None = None
    role_arn: str | None = None
    assume_role_arn: str | None = None
    external_id: str | None = None
    assume_role_kwargs: dict[str, Any] | None = None
    aws_client_parameters: dict[str, Any] | None = None

    @field_validator("aws_client_parameters")
    @classmethod
    def _asks_no_machine_who_it_is(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Flows may write blocks, and Skylift sends requests to where this says."""
        url = (value or {}).get("endpoint_url")
        if url is not None and (not str(url).startswith(("https://", "http://")) or is_metadata(str(url))):
            raise ValueError("endpoint_url must be an http or https URL, and not that of a metadata service")
        return value

    @property
    def role(self) -> str | None:
        return self.role_arn or self.assume_role_arn

    @property
    def assuming(self) -> dict[str, Any]:
        """The arguments of AssumeRole beside the role."""
        asked = {name: value for name, value in (self.assume_role_kwargs or {}).items() if name != "RoleArn"}
        if self.external_id:
            asked["ExternalId"] = self.external_id
        return {"RoleSessionName": ROLE_SESSION, **asked}

    @property
    def endpoint(self) -> dict[str, Any]:
        """Where else to call than at Amazon's public endpoints: of `aws_client_parameters` what is about that."""
        given = self.aws_client_parameters or {}
        return {name: given[name] for name in ("endpoint_url", "verify") if given.get(name) is not None}

    @property
    def plain(self) -> set[str]:
        """Values of a credentials block that are no secret, although a block holds them: a region's name stands in
        every ARN."""
        return {each for each in (self.region_name, self.profile_name, self.role_arn, self.assume_role_arn) if each}

    def key(self) -> str:
        """The same for the same credentials; tells nothing of them."""
        return hashlib.sha256(json.dumps(self.model_dump(exclude_none=True), sort_keys=True).encode()).hexdigest()


class Session:
    """The SDK's clients for one set of credentials."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, bool], Any] = {}
        self._session = self._signed_in()

    def client(self, service: str, *, again: bool) -> Any:
        """`again`: whether the SDK may repeat a call by itself; never one that changes something."""
        with self._lock:
            if (service, again) not in self._clients:
                self._clients[service, again] = self._made(service, again)
            return self._clients[service, again]

    def _made(self, service: str, again: bool) -> Any:
        config = sdk("botocore.config", extra=EXTRA).Config(
            connect_timeout=CONNECT,
            read_timeout=READ,
            max_pool_connections=32,
            retries={"mode": "standard", "total_max_attempts": 3 if again else 1},
            user_agent_appid="skylift",
        )
        return self._session.create_client(
            service, region_name=self.credentials.region_name, config=config, **self.credentials.endpoint
        )

    def _signed_in(self) -> Any:
        given = self.credentials
        session = self._bare(given.profile_name)
        if given.aws_access_key_id:
            session.set_credentials(given.aws_access_key_id, given.aws_secret_access_key, given.aws_session_token)
        return self._assuming(session) if given.role else session

    def _bare(self, profile: str | None = None) -> Any:
        session = sdk("botocore.session", extra=EXTRA).Session(profile=profile)
        session.register_component("data_loader", _services())
        return session

    def _assuming(self, source: Any) -> Any:
        """A session that acts as the role, with credentials that are fetched when they are needed and renewed before
        they run out."""
        given = self.credentials
        credentials, own = sdk("botocore.credentials", extra=EXTRA), source.get_credentials()
        if own is None:
            raise sdk("botocore.exceptions", extra=EXTRA).NoCredentialsError
        fetcher = credentials.AssumeRoleCredentialFetcher(
            partial(source.create_client, region_name=given.region_name, **given.endpoint),
            own,
            given.role,
            extra_args=given.assuming,
        )
        acting = self._bare()
        acting.get_component("credential_provider").providers.insert(0, _AssumedRole(credentials, fetcher))
        return acting


@cache
def _services() -> Any:
    """What the SDK knows of the services. It is large, so all sessions share it."""
    return sdk("botocore.loaders", extra=EXTRA).create_loader()


class _AssumedRole:
    """A provider of credentials, in the SDK's sense of the word."""

    METHOD = CANONICAL_NAME = "assume-role"

    def __init__(self, credentials: Any, fetcher: Any) -> None:
        self._credentials, self._fetcher = credentials, fetcher

    def load(self) -> Any:
        return self._credentials.DeferredRefreshableCredentials(
            method=self.METHOD, refresh_using=self._fetcher.fetch_credentials
        )
