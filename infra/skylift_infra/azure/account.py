"""The Azure subscription of whoever types the command: clients and pipelines, and whose subscription it is."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from skylift.extras import sdk
from skylift.provider import Rejected
from skylift.provisioner import ProvisionError
from skylift_container_instance.client import AllowHttp
from skylift_container_instance.place import Azure, Credentials
from skylift_container_instance.signing_in import EXTRA, credential
from skylift_infra.azure.errors import telling

INFRA = "container-instance-infra"
"""The extra with the SDKs that only whoever makes infrastructure needs."""
RETRIES = 3
"""By the SDK, of what may be sent twice: all but POST. Every create here is a PUT under a name that is ours."""
POLL = 2.0
"""Seconds between looks at an operation that goes on."""
CONNECT, READ = 5, 60
SUBSCRIPTIONS_API = "2022-12-01"
GRAPHS = {
    "management.usgovcloudapi.net": "https://graph.microsoft.us",
    "management.chinacloudapi.cn": "https://microsoftgraph.chinacloudapi.cn",
}
"""Microsoft Graph of the sovereign clouds, by the host of their Resource Manager."""
NAMESPACE = uuid.UUID("5a1c9f0e-6b1d-5b7a-9c55-0d3f6f5f1c3e")
"""Of the names of role definitions and assignments, which have to be GUIDs."""


@dataclass(frozen=True)
class Account:
    """One subscription, and the person who is signed in. What is made goes to `location`."""

    subscription: str
    location: str = ""
    azure: Azure = field(default_factory=Azure.of_the_operator)

    @property
    def scope(self) -> str:
        return f"/subscriptions/{self.subscription}"

    def group(self, name: str) -> str:
        """The id of a resource group."""
        return f"{self.scope}/resourceGroups/{name}"

    @cached_property
    def credential(self) -> Any:
        return credential(self.azure, Credentials())

    @cached_property
    def resources(self) -> Any:
        return self._client("azure.mgmt.resource.resources", "ResourceManagementClient")

    @cached_property
    def registries(self) -> Any:
        return self._client("azure.mgmt.containerregistry", "ContainerRegistryManagementClient").registries

    @cached_property
    def identities(self) -> Any:
        return self._client("azure.mgmt.msi", "ManagedServiceIdentityClient")

    @cached_property
    def rights(self) -> Any:
        return self._client("azure.mgmt.authorization", "AuthorizationManagementClient", api_version="2022-04-01")

    @cached_property
    def about(self) -> Mapping[str, Any]:
        """The subscription's `displayName` and `tenantId`. Raises `ProvisionError`."""
        with telling(f"look at the subscription {self.subscription}"):
            return self.read(self.scope, SUBSCRIPTIONS_API)

    @property
    def tenant(self) -> str:
        return str(self.about["tenantId"])

    def read(self, path: str, version: str) -> dict[str, Any]:
        """Anything of Resource Manager that no client here has a method for. Use inside `telling`."""
        found: dict[str, Any] = ask(self.manager, "GET", f"{path}?api-version={version}")
        return found

    @cached_property
    def manager(self) -> Any:
        """A pipeline to Resource Manager."""
        return self.pipeline(self.azure.endpoint, self.azure.scope)

    @cached_property
    def graph(self) -> Any:
        """A pipeline to Microsoft Graph. Not its SDK, which brings all of Graph along, asynchronous, for ten calls."""
        host = urlsplit(self.azure.endpoint).hostname or ""
        public = GRAPHS.get(host, "https://graph.microsoft.com")
        base = self.azure.endpoint if self.azure.is_loopback else public
        return self.pipeline(f"{base}/v1.0", f"{public}/.default")

    def pipeline(self, base: str, scope: str, signed_in: Any = None) -> Any:
        """azure-core's own, with its retries, for plain REST calls; as somebody else, where that is given."""
        policies = sdk("azure.core.pipeline.policies", extra=EXTRA)
        return sdk("azure.core", extra=EXTRA).PipelineClient(
            base_url=base,
            policies=[
                policies.RequestIdPolicy(),
                policies.UserAgentPolicy("skylift"),
                policies.ProxyPolicy(),
                *_for_loopback(self.azure),
                policies.RetryPolicy(retry_total=RETRIES, retry_backoff_factor=0.2),
                policies.BearerTokenCredentialPolicy(signed_in or self.credential, scope),
            ],
            connection_timeout=CONNECT,
            read_timeout=READ,
        )

    def _client(self, module: str, name: str, **more: Any) -> Any:
        return getattr(sdk(module, extra=INFRA), name)(
            self.credential,
            self.subscription,
            base_url=self.azure.endpoint,
            credential_scopes=[self.azure.scope],
            per_call_policies=_for_loopback(self.azure),
            polling_interval=POLL,
            retry_total=RETRIES,
            retry_backoff_factor=0.2,
            connection_timeout=CONNECT,
            read_timeout=READ,
            **more,
        )


def ask(pipeline: Any, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON of an answer; empty where there is none. Raises the SDK's errors."""
    rest = sdk("azure.core.rest", extra=EXTRA)
    request = rest.HttpRequest(method, url, json=body, headers=dict(headers or {}))
    request.url = pipeline.format_url(request.url)
    response = pipeline.send_request(request)
    response.raise_for_status()
    return response.json() if response.content else {}


def open_account(subscription: str, location: str) -> Account:
    """Raises `ProvisionError` where the SDK is missing, nobody is signed in, or the subscription is not theirs."""
    try:
        account = Account(subscription, location)
        _ = account.about
    except Rejected as error:
        raise ProvisionError(str(error), remedy=error.remedy) from error
    return account


def subscriptions() -> Sequence[tuple[str, str]]:
    """Ids and names of those that the person can see and that take new resources. Raises `ProvisionError`."""
    try:
        with telling("list your subscriptions"):
            found = Account("").read("/subscriptions", SUBSCRIPTIONS_API)["value"]
    except Rejected as error:
        raise ProvisionError(str(error), remedy=error.remedy) from error
    usable = [each for each in found if each.get("state", "Enabled") == "Enabled"]
    return [(each["subscriptionId"], each["displayName"]) for each in usable]


def guid(*parts: object) -> str:
    """The same for the same parts."""
    return str(uuid.uuid5(NAMESPACE, "/".join(map(str, parts))))


def finished(poller: Any) -> None:
    """Wait for what Azure has begun."""
    poller.result()


def _for_loopback(azure: Azure) -> list[Any]:
    return [AllowHttp()] if azure.is_loopback else []
