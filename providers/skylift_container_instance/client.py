"""The typed façade over Azure's SDK: every call that this provider makes, with a timeout, and its errors translated.

What the calls need is declared in `permissions`. The SDK's pipeline is put together here: nothing in it follows
redirects, registers resource providers or logs bodies, nothing that changes something is sent twice, and the last
policy before the wire asks whether it may still be sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from skylift.extras import sdk
from skylift_container_instance.errors import InTransition, NotThere, to_error
from skylift_container_instance.place import Azure, Credentials, Place
from skylift_container_instance.signing_in import EXTRA, credential
from skylift_container_instance.views import CONTAINER, Group, Usage, to_group, to_usage

CONNECT, READ = 5, 15
"""Seconds: the longest that a connection, and then an answer, is waited for."""
ONCE = {"retry_total": 0}
"""For calls that change something."""
BEFORE_SENDING = "before_sending"


def client_for(place: Place) -> Client:
    """This process's client; the same for all resource groups of one subscription and one identity."""
    return _client(Azure.of_the_operator(), place.subscription, place.credentials)


@lru_cache(maxsize=64)
def _client(azure: Azure, subscription: str, credentials: Credentials) -> Client:
    return Client(azure, subscription, credentials)


class Client:
    """Calls for one subscription, by one identity. Safe for many threads, as the SDK is."""

    def __init__(self, azure: Azure, subscription: str, credentials: Credentials) -> None:
        self.azure = azure
        self.credential = credential(azure, credentials)
        self._sdk = sdk("azure.mgmt.containerinstance", extra=EXTRA).ContainerInstanceManagementClient(
            self.credential,
            subscription,
            base_url=azure.endpoint,
            policies=_policies(azure, self.credential),
            connection_timeout=CONNECT,
            read_timeout=READ,
        )

    def token(self) -> str:
        """Raises `Unreachable` where nobody can be signed in."""
        with translated():
            return str(self.credential.get_token(self.azure.scope).token)

    def get(self, group: str, name: str) -> Group | None:
        """None: there is no such container group, or not even the resource group."""
        try:
            with translated():
                return to_group(self._sdk.container_groups.get(group, name))
        except NotThere:
            return None

    def groups(self, group: str) -> list[Group]:
        """All container groups of a resource group, without instance views. Empty where the resource group is gone."""
        try:
            with translated():
                return [to_group(each) for each in self._sdk.container_groups.list_by_resource_group(group)]
        except NotThere:
            return []

    def create(self, group: str, name: str, body: Mapping[str, Any], before_sending: Callable[[], None]) -> None:
        """Azure takes it on; how it goes on, `get` tells. Of a group that is there this restarts the container."""
        with translated():
            self._sdk.container_groups.begin_create_or_update(
                group, name, json.dumps(body).encode(), polling=False, **ONCE, **{BEFORE_SENDING: before_sending}
            )

    def stop(self, group: str, name: str) -> None:
        """End its containers; one that is not there, or has ended, is stopped already. Raises `InTransition`."""
        with suppress(NotThere), translated():
            self._sdk.container_groups.stop(group, name, **ONCE)

    def delete(self, group: str, name: str) -> None:
        """Azure begins to delete it."""
        with suppress(NotThere), translated():
            self._sdk.container_groups.begin_delete(group, name, polling=False, **ONCE)

    def output(self, group: str, name: str, *, last: int | None = None, timestamps: bool = False) -> str:
        """What the run's container wrote: up to 4 MB of a running one, 16 KB or 1000 lines of a stopped one."""
        try:
            with translated():
                found = self._sdk.containers.list_logs(group, name, CONTAINER, tail=last, timestamps=timestamps)
                return str(found.content or "")
        except (NotThere, InTransition):
            return ""  # none any more, or none yet

    def usages(self, location: str) -> list[Usage]:
        with translated():
            return [to_usage(each) for each in self._sdk.location.list_usage(location)]

    def read(self, resource_id: str, api_version: str) -> dict[str, Any]:
        """Any resource of Resource Manager, as JSON. Raises `NotThere`."""
        rest = sdk("azure.core.rest", extra=EXTRA)
        request = rest.HttpRequest("GET", resource_id, params={"api-version": api_version})
        with translated():
            response = self._sdk._send_request(request)  # the SDK's documented way to calls that it has no method for
            response.raise_for_status()
            found: dict[str, Any] = response.json()
        return found

    def location_of(self, place: Place) -> str:
        """Of a resource group, which is where its container groups go unless they say otherwise. Remembered."""
        return _location(self, place)


@lru_cache(maxsize=256)
def _location(client: Client, place: Place) -> str:
    return str(client.read(place.id, "2021-04-01").get("location") or "")


def _policies(azure: Azure, signed_in: Any) -> list[Any]:
    policies = sdk("azure.core.pipeline.policies", extra=EXTRA)
    arm = sdk("azure.mgmt.core.policies", extra=EXTRA)
    return [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(),
        policies.UserAgentPolicy("skylift"),
        policies.ProxyPolicy(),
        policies.ContentDecodePolicy(),
        *([AllowHttp()] if azure.is_loopback else []),
        # A connection that broke is worth another try; what the server said is for us to judge.
        policies.RetryPolicy(retry_total=1, retry_status=0, retry_backoff_factor=0.1, retry_on_status_codes=[]),
        arm.ARMChallengeAuthenticationPolicy(signed_in, azure.scope),
        AskBeforeSending(),
    ]


class AllowHttp:
    """A policy: tokens over plain HTTP, for an Azure that is on this machine."""

    next: Any

    def send(self, request: Any) -> Any:
        request.context.options["enforce_https"] = False
        return self.next.send(request)


class AskBeforeSending:
    """A policy: calls what came with the operation, after the token was had and right before the request goes out."""

    next: Any

    def send(self, request: Any) -> Any:
        ask = request.context.options.pop(BEFORE_SENDING, None)
        if ask:
            ask()
        return self.next.send(request)


@contextmanager
def translated() -> Iterator[None]:
    """Azure's exceptions as ours."""
    try:
        yield
    except Exception as error:
        exceptions = sdk("azure.core.exceptions", extra=EXTRA)
        if not isinstance(error, exceptions.AzureError | exceptions.DeserializationError):
            raise
        raise to_error(error) from None
