"""A whole local subscription: what `--provision-infra` makes in Azure, beside the container groups that then run there.

Whoever signs in as the tenant's first client is its owner; everybody else may do what role assignments say, each at
its scope. Things appear and disappear as late as `lag` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from skylift_container_instance.permissions import PERMISSIONS, allows
from tests.clouds import azure_directory
from tests.clouds.azure import SUBSCRIPTION, Reply, _denied, _refusal
from tests.clouds.azure_directory import GraphError
from tests.clouds.azure_login import CLIENT
from tests.clouds.azure_things import BUILT_IN, GROUP, KINDS, Subscription, role_id, subscription
from tests.clouds.http_cloud import Answer, Request
from tests.clouds.journal import Call
from tests.clouds.mischief import AnswerLost, Refused

SUB = r"/subscriptions/(?P<sub>[^/]+)"
ACR = rf"{GROUP}/providers/Microsoft\.ContainerRegistry/registries/(?P<name>[^/]+)"
MSI = rf"{GROUP}/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/(?P<name>[^/]+)"
TRUST = rf"{MSI}/federatedIdentityCredentials/(?P<trust>[^/]+)"
RBAC = r"(?P<scope>/.+)/providers/Microsoft\.Authorization"
ROLE = rf"{RBAC}/roleDefinitions/(?P<guid>[^/]+)"
ASSIGNMENT = rf"{RBAC}/roleAssignments/(?P<guid>[^/]+)"
ROUTES = tuple(
    (method, re.compile(pattern, re.IGNORECASE), operation)
    for method, pattern, operation in (
        ("GET", "/msi/token", "Identity_Token"),
        ("GET", "/subscriptions", "Subscriptions_List"),
        ("GET", SUB, "Subscriptions_Get"),
        ("GET", rf"{SUB}/providers/(?P<namespace>[^/]+)", "Providers_Get"),
        ("POST", rf"{SUB}/providers/(?P<namespace>[^/]+)/register", "Providers_Register"),
        ("GET", rf"{SUB}/operations/(?P<operation>[^/]+)", "Operations_Get"),
        ("PUT", GROUP, "ResourceGroups_CreateOrUpdate"),
        ("GET", GROUP, "ResourceGroups_Get"),
        ("DELETE", GROUP, "ResourceGroups_Delete"),
        ("GET", rf"{GROUP}/resources", "Resources_ListByResourceGroup"),
        ("PUT", ACR, "Registries_Create"),
        ("GET", ACR, "Registries_Get"),
        ("PATCH", ACR, "Registries_Update"),
        ("DELETE", ACR, "Registries_Delete"),
        ("PUT", MSI, "UserAssignedIdentities_CreateOrUpdate"),
        ("GET", MSI, "UserAssignedIdentities_Get"),
        ("DELETE", MSI, "UserAssignedIdentities_Delete"),
        ("PUT", TRUST, "FederatedIdentityCredentials_CreateOrUpdate"),
        ("GET", TRUST, "FederatedIdentityCredentials_Get"),
        ("DELETE", TRUST, "FederatedIdentityCredentials_Delete"),
        ("PUT", ROLE, "RoleDefinitions_CreateOrUpdate"),
        ("GET", ROLE, "RoleDefinitions_Get"),
        ("DELETE", ROLE, "RoleDefinitions_Delete"),
        ("PUT", ASSIGNMENT, "RoleAssignments_Create"),
        ("GET", ASSIGNMENT, "RoleAssignments_Get"),
        ("DELETE", ASSIGNMENT, "RoleAssignments_Delete"),
        (
            "GET",
            rf"(?P<scope>{GROUP})/providers/Microsoft\.Authorization/permissions",
            "Permissions_ListForResourceGroup",
        ),
    )
)


class LocalSubscription(Subscription):
    """Its owner, and everybody else."""

    def __init__(self) -> None:
        super().__init__()
        self.registry_tokens: dict[str, str] = {}
        """Whom each was given to."""

    def __enter__(self) -> LocalSubscription:
        super().__enter__()
        return self

    def everything(self) -> dict[str, list[str]]:
        """All that is there, by kind."""
        found = {
            kind: sorted(each["id"] for key, each in self.things.items() if re.fullmatch(pattern, key))
            for kind, pattern in KINDS.items()
        }
        found["applications"] = sorted(each["uniqueName"] for each in self.directory.applications.values())
        found["deleted applications"] = sorted(each["uniqueName"] for each in self.directory.bin.values())
        found["principals"] = sorted(self.directory.principals)
        found["secrets"] = sorted(self.directory.secrets)
        found["container groups"] = self.left()
        return found

    def rights_of(self, client: str) -> dict[str, list[str]]:
        """What is allowed to whoever signs in with it, by scope."""
        principal = self._principal_of(client)
        assigned = [each["properties"] for each in self.things.values() if "principalId" in each.get("properties", {})]
        return {
            each["scope"].lower(): sorted(self._actions_of(each["roleDefinitionId"]))
            for each in assigned
            if each["principalId"] == principal and "roleDefinitionId" in each
        }

    # -- answering ----------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        if request.path == "/oauth2/exchange":
            return self._exchange(request)
        for routes in (ROUTES, azure_directory.ROUTES):
            for method, pattern, operation in routes:
                found = pattern.fullmatch(request.path)
                if found and method == request.method:
                    return self._answer_infra(operation, found.groupdict(), request)
        return super().answer(request)

    def _exchange(self, request: Request) -> Answer:
        """What a registry gives to whoever shows a token for Resource Manager."""
        form = dict(parse_qsl(request.body.decode()))
        known = self.login.granted.get(form["access_token"])
        registry = f"/registries/{form['service'].partition('.')[0]}".lower()
        there = any(each.endswith(registry) for each in self.things)
        if form["grant_type"] != "access_token" or not known or not there:
            return Answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]})
        token = f"registry-token-{len(self.registry_tokens)}"
        self.registry_tokens[token] = known.client
        return Answer(body={"refresh_token": token})

    def _answer_infra(self, operation: str, found: Mapping[str, str], request: Request) -> Answer:
        body = request.json() if request.body else None
        self.journal.note(Call(operation, {"path": request.path, "body": body}))
        try:
            self._admit_infra(operation, found, request)
            self.mischief.before(operation)
            with self._lock:
                if operation in {each[2] for each in azure_directory.ROUTES}:
                    answer = self.directory.do(operation, found, request)
                else:
                    answer = self._do_infra(operation, found, request, body)
            self.mischief.after(operation)
        except Refused as refused:
            answer = _refusal(refused.kind, operation, request.path).answer()
        except (Reply, GraphError) as reply:
            answer = reply.answer()
        except AnswerLost:
            self.journal.answered(operation, "lost")
            raise
        self.journal.answered(operation, "ok" if answer.status < 400 else answer.body["error"]["code"])
        return Answer(answer.status, b"" if answer.status == 204 else answer.body, answer.headers)

    def _admit_infra(self, operation: str, found: Mapping[str, str], request: Request) -> None:
        if operation == "Identity_Token":
            return
        client = self._client(request)
        if client == CLIENT:
            if operation in self.denied:
                raise Reply(403, *_denied(f"Microsoft.Authorization/{operation}/action", request.path))
            return
        needed = [each.action for each in PERMISSIONS if operation in each.calls] or ["nothing that is declared"]
        self._check(client, [(each, request.path) for each in needed])

    def _admit(self, request: Request, operation: str, body: Any) -> None:
        """Of what the provider does: by the rights that were assigned."""
        client = self._client(request)
        if client == CLIENT:
            return super()._admit(request, operation, body)
        needed: list[tuple[str, str]] = []
        for each in PERMISSIONS:
            if operation in each.calls:
                properties = (body or {}).get("properties") or {}
                scopes = {
                    "identities": list(((body or {}).get("identity") or {}).get("userAssignedIdentities") or {}),
                    "subnets": [one["id"] for one in properties.get("subnetIds") or []],
                }.get(each.use, [request.path])
                needed += [(each.action, scope) for scope in scopes]
        self._check(client, needed or [("nothing that is declared", request.path)])
        if operation == "ContainerGroups_CreateOrUpdate":
            self._need("Microsoft.ContainerInstance")
        return None

    def _client(self, request: Request) -> str:
        granted = self.login.granted.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if not granted:
            raise Reply(401, "InvalidAuthenticationToken", "The access token is invalid.")
        return granted.client

    def _check(self, client: str, needed: list[tuple[str, str]]) -> None:
        for action, scope in needed:
            if not allows(self._granted(client, scope), action):
                raise Reply(403, *_denied(action, scope))

    def _granted(self, client: str, scope: str) -> list[tuple[list[str], list[str]]]:
        """What the roles allow that this client has there."""
        principal = self._principal_of(client)
        found: list[tuple[list[str], list[str]]] = []
        for each in self.things.values():
            properties = each.get("properties") or {}
            if properties.get("principalId") == principal and "roleDefinitionId" in properties:
                at = properties["scope"].lower()
                if scope.lower() == at or scope.lower().startswith(at + "/"):
                    found.append((self._actions_of(properties["roleDefinitionId"]), []))
        return found

    def _actions_of(self, role: str) -> list[str]:
        guid = role.rpartition("/")[2]
        custom = self.things.get(role_id(guid).lower())
        if custom:
            return [action for each in custom["properties"]["permissions"] for action in each["actions"]]
        return BUILT_IN[guid]

    def _principal_of(self, client: str) -> str | None:
        if client in self.directory.principals:
            return str(self.directory.principals[client]["id"])
        return next((each["principalId"] for each in self.identities() if each["clientId"] == client), None)

    # -- what there is ------------------------------------------------------------------------------------------------

    def _do_infra(self, operation: str, found: Mapping[str, str], request: Request, body: Any) -> Answer:
        if "sub" in found and found["sub"] != SUBSCRIPTION:
            raise Reply(404, "SubscriptionNotFound", f"The subscription '{found['sub']}' could not be found.")
        self._age()
        path, is_group = request.path, operation.startswith("ResourceGroups_")
        group = found.get("rg")
        if group and not is_group and group.lower() not in self.locations:
            raise Reply(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
        handlers: dict[str, Callable[[], Answer]] = {
            "Identity_Token": lambda: self._identity_token(request),
            "Subscriptions_List": lambda: Answer(body={"value": [subscription()]}),
            "Subscriptions_Get": lambda: Answer(body=subscription()),
            "Providers_Get": lambda: Answer(body=self._provider(found["namespace"])),
            "Providers_Register": lambda: self._register(found["namespace"]),
            "Operations_Get": lambda: Answer(body={"status": "Succeeded"}),
            "ResourceGroups_CreateOrUpdate": lambda: self._put_group(path, found, body),
            "ResourceGroups_Get": lambda: Answer(body=self._seen(path)),
            "ResourceGroups_Delete": lambda: self._delete_group(path),
            "Resources_ListByResourceGroup": lambda: Answer(body={"value": self._in_group(path)}),
            "Registries_Create": lambda: self._put_registry(path, found, body),
            "Registries_Update": lambda: self._patch_registry(path, body),
            "UserAssignedIdentities_CreateOrUpdate": lambda: self._put_identity(path, body),
            "FederatedIdentityCredentials_CreateOrUpdate": lambda: self._put_trust(path, body),
            "RoleDefinitions_CreateOrUpdate": lambda: self._put_role(found, body),
            "RoleDefinitions_Get": lambda: Answer(body=self._seen(self._role_at(found))),
            "RoleDefinitions_Delete": lambda: self._delete_role(found),
            "RoleAssignments_Create": lambda: self._put_assignment(path, found, body),
            "Permissions_ListForResourceGroup": lambda: self._permissions(found["scope"], request),
        }
        fallback = (lambda: self._remove(path)) if request.method == "DELETE" else lambda: Answer(body=self._seen(path))
        return handlers.get(operation, fallback)()

    def _permissions(self, scope: str, request: Request) -> Answer:
        granted = self._granted(self._client(request), scope)
        return Answer(body={"value": [{"actions": each, "notActions": []} for each, _ in granted]})

    def _identity_token(self, request: Request) -> Answer:
        client = request.query.get("client_id", "")
        if client not in {each["clientId"] for each in self.identities()}:
            raise Reply(400, "invalid_request", "Identity not found")
        token = self.login.grant(client, "managed identity")
        return Answer(body={"access_token": token, "expires_on": "4102444800", "resource": "", "token_type": "Bearer"})
