"""A whole local subscription: what `--provision-infra` makes in Azure, beside the container groups that then run there.

Whoever signs in as the tenant's first client is its owner; everybody else may do what role assignments say, each at
its scope. Things appear and disappear as late as `lag` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from skylift_container_instance.permissions import PERMISSIONS, allows
from tests.clouds import azure_directory
from tests.clouds.azure import SUBSCRIPTION, LocalAzure, Reply, _denied, _refusal
from tests.clouds.azure_directory import Directory, DirectoryLogin, GraphError
from tests.clouds.azure_login import CLIENT, TENANT
from tests.clouds.http_cloud import Answer, Request
from tests.clouds.journal import Call
from tests.clouds.mischief import AnswerLost, Refused

SUB = r"/subscriptions/(?P<sub>[^/]+)"
GROUP = rf"{SUB}/resourceGroups/(?P<rg>[^/]+)"
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
BUILT_IN = {"7f951dda-4ed3-4680-a7ca-43fe172d538d": ["Microsoft.ContainerRegistry/registries/pull/read"]}
KINDS = {
    "resource groups": r"/subscriptions/[^/]+/resourcegroups/[^/]+",
    "registries": r".*/registries/[^/]+",
    "identities": r".*/userassignedidentities/[^/]+",
    "trusts": r".*/federatedidentitycredentials/[^/]+",
    "roles": r".*/roledefinitions/[^/]+",
    "assignments": r".*/roleassignments/[^/]+",
}


class LocalSubscription(LocalAzure):
    """Empty when it starts, resource providers not even registered."""

    def __init__(self) -> None:
        super().__init__()
        self.login._server.server_close()  # never started: another takes its place
        self.directory = Directory()
        self.login = DirectoryLogin(self.directory, self._trusts)
        self.locations = {}
        self.things: dict[str, dict[str, Any]] = {}
        """By id in lower case: as Azure shows it."""
        self.registered: set[str] = set()
        self.lag = 0
        """How many looks a new thing is not to be seen for, and one that was deleted still is."""
        self.strangers = 0
        """How many assignments to a principal are refused because the directory does not know it yet."""
        self.denied: set[str] = set()
        """Operations that even the owner may not do."""
        self.taken = {"taken"}
        """Names of other people's registries."""
        self._unseen: dict[str, int] = {}
        self._leaving: dict[str, tuple[int, dict[str, Any]]] = {}
        self._refused: dict[str, int] = {}

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

    def add_group(self, name: str, location: str = "westeurope") -> None:
        """Somebody else's."""
        self._put_group(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}", {"rg": name}, {"location": location})

    def add_registry(self, group: str, name: str) -> None:
        path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}"
        properties = {"adminUserEnabled": True, "loginServer": f"{name}.azurecr.io", "provisioningState": "Succeeded"}
        self._keep(
            f"{path}/providers/Microsoft.ContainerRegistry/registries/{name}", {"tags": {}, "properties": properties}
        )

    def remove_group(self, name: str) -> None:
        """By hand, with all that is in it."""
        self._delete_group(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}")

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
        for routes in (ROUTES, azure_directory.ROUTES):
            for method, pattern, operation in routes:
                found = pattern.fullmatch(request.path)
                if found and method == request.method:
                    return self._answer_infra(operation, found.groupdict(), request)
        return super().answer(request)

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
        if operation == "Permissions_ListForResourceGroup":
            scope = found["scope"]  # whoever asks is told of nobody but themselves
            if self._granted(client, scope):
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
        custom = self.things.get(_role_id(guid).lower())
        if custom:
            return [action for each in custom["properties"]["permissions"] for action in each["actions"]]
        return BUILT_IN[guid]

    def _principal_of(self, client: str) -> str | None:
        if client in self.directory.principals:
            return str(self.directory.principals[client]["id"])
        return next((each["principalId"] for each in self.identities() if each["clientId"] == client), None)

    def identities(self) -> list[dict[str, Any]]:
        return [each["properties"] for key, each in self.things.items() if re.fullmatch(KINDS["identities"], key)]

    def _trusts(self, client: str, assertion: str) -> bool:
        for key, each in self.things.items():
            if re.fullmatch(KINDS["trusts"], key):
                identity = self.things[key.partition("/federatedidentitycredentials/")[0]]
                said = f"{each['properties']['issuer']}|{each['properties']['subject']}"
                if identity["properties"]["clientId"] == client and said == assertion:
                    return True
        return False

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
            "Subscriptions_List": lambda: Answer(body={"value": [_subscription()]}),
            "Subscriptions_Get": lambda: Answer(body=_subscription()),
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

    def _keep(self, path: str, thing: dict[str, Any]) -> Answer:
        """What is new is not seen at once."""
        key = path.lower()
        is_new = key not in self.things
        if is_new:
            self._unseen[key] = 0 if "/registries/" in key else self.lag  # Azure says when those are there
        self._leaving.pop(key, None)
        self.things[key] = {"id": path, "name": path.rpartition("/")[2], **thing}
        return Answer(201 if is_new else 200, self.things[key])

    def _seen(self, path: str) -> dict[str, Any]:
        key = path.lower()
        if self._unseen.get(key, 0) > 0:
            self._unseen[key] -= 1
            raise _absent(path)
        if key in self._leaving:
            looks, thing = self._leaving[key]
            self._leaving[key] = (looks - 1, thing)
            return thing
        if key not in self.things:
            raise _absent(path)
        return self.things[key]

    def _age(self) -> None:
        self._leaving = {key: each for key, each in self._leaving.items() if each[0] > 0}

    def _remove(self, path: str) -> Answer:
        thing = self.things.pop(path.lower(), None)
        if not thing:
            return Answer(204)
        for key in [each for each in self.things if each.startswith(path.lower() + "/")]:
            del self.things[key]
        self._leaving[path.lower()] = (self.lag, thing)
        return Answer(200, thing)

    def _provider(self, namespace: str) -> dict[str, Any]:
        state = "Registered" if namespace in self.registered else "NotRegistered"
        return {"namespace": namespace, "registrationState": state}

    def _register(self, namespace: str) -> Answer:
        self.registered.add(namespace)
        return Answer(body=self._provider(namespace))

    def _put_group(self, path: str, found: Mapping[str, str], body: Any) -> Answer:
        if not re.fullmatch(r"[-\w.()]{0,89}[-\w()]", found["rg"]):
            raise Reply(400, "InvalidResourceGroup", "The provided resource group name has invalid characters.")
        if found["rg"].lower() in self.locations and body["location"] != self.locations[found["rg"].lower()]:
            raise Reply(409, "InvalidResourceGroupLocation", "The resource group is in another location.")
        self.locations[found["rg"].lower()] = body["location"]
        return self._keep(path, {**body, "properties": {"provisioningState": "Succeeded"}})

    def _delete_group(self, path: str) -> Answer:
        if path.lower() not in self.things:
            raise Reply(404, "ResourceGroupNotFound", f"Resource group '{path.rpartition('/')[2]}' could not be found.")
        self.locations.pop(path.rpartition("/")[2].lower())
        self._remove(path)
        for key, each in list(self.groups.items()):
            if key.startswith(path.lower() + "/"):
                each.delete()
        return Answer(202, headers={"Location": self._operation_url()})

    def _in_group(self, path: str) -> list[dict[str, Any]]:
        prefix = path.lower().removesuffix("/resources") + "/providers/"
        typed = [
            {**each, "type": re.sub(r".*/providers/([^/]+/[^/]+)/.*", r"\1", each["id"])}
            for key, each in self.things.items()
            if key.startswith(prefix) and key.count("/") == prefix.count("/") + 2 and "tags" in each
        ]
        runs = [
            {
                "id": each.id,
                "name": each.name,
                "type": "Microsoft.ContainerInstance/containerGroups",
                "tags": each.body["tags"],
            }
            for key, each in self.groups.items()
            if key.startswith(prefix)
        ]
        return typed + runs

    def _put_registry(self, path: str, found: Mapping[str, str], body: Any) -> Answer:
        self._need("Microsoft.ContainerRegistry")
        if not re.fullmatch(r"[a-zA-Z0-9]{5,50}", found["name"]):
            raise Reply(400, "InvalidResourceName", "Registry names may contain alpha numeric characters only.")
        if found["name"].lower() in self.taken:
            raise Reply(409, "AlreadyInUse", f"The registry DNS name {found['name']}.azurecr.io is already in use.")
        if body["sku"]["name"] not in ("Basic", "Standard", "Premium") or not body["location"]:
            raise Reply(400, "SkuNotSupported", "The SKU is not supported.")
        made = {**body, "properties": {**body["properties"], "loginServer": f"{found['name'].lower()}.azurecr.io"}}
        made["properties"]["provisioningState"] = "Succeeded"
        kept = self._keep(path, made)
        creating = {**kept.body, "properties": {**made["properties"], "provisioningState": "Creating"}}
        return Answer(kept.status, creating, {"Azure-AsyncOperation": self._operation_url()})

    def _patch_registry(self, path: str, body: Any) -> Answer:
        thing = self._seen(path)
        thing["properties"].update(body.get("properties") or {})
        return Answer(body=thing)

    def _put_identity(self, path: str, body: Any) -> Answer:
        self._need("Microsoft.ManagedIdentity")
        known = self.things.get(path.lower(), {}).get("properties")
        new = {"principalId": str(uuid4()), "clientId": str(uuid4()), "tenantId": TENANT}
        return self._keep(path, {**body, "properties": known or new})

    def _put_trust(self, path: str, body: Any) -> Answer:
        identity = path.partition("/federatedIdentityCredentials/")[0]
        if identity.lower() not in self.things:
            raise _absent(identity)
        if not body["properties"]["issuer"].startswith("https://"):
            raise Reply(400, "BadRequest", "The issuer must be a valid https URL.")
        return self._keep(path, body)

    def _put_role(self, found: Mapping[str, str], body: Any) -> Answer:
        UUID(found["guid"])
        properties = body["properties"]
        path = _role_id(found["guid"])
        for scope in properties["assignableScopes"]:
            group = re.fullmatch(GROUP, scope, re.IGNORECASE)
            if not group or group["rg"].lower() not in self.locations:
                raise Reply(400, "InvalidAssignableScope", f"The assignable scope '{scope}' does not exist.")
        for key, each in self.things.items():
            same = each.get("properties", {}).get("roleName") == properties["roleName"]
            if same and key != path.lower():
                raise Reply(409, "RoleDefinitionWithSameNameExists", "A custom role with the same name exists.")
        kept = self._keep(path, {"type": "Microsoft.Authorization/roleDefinitions", "properties": properties})
        return Answer(201, kept.body)

    def _role_at(self, found: Mapping[str, str]) -> str:
        """A role is found where its resource group is, or by its subscription."""
        group = re.fullmatch(GROUP, found["scope"], re.IGNORECASE)
        if group and group["rg"].lower() not in self.locations:
            raise Reply(404, "ResourceGroupNotFound", f"Resource group '{group['rg']}' could not be found.")
        return _role_id(found["guid"])

    def _delete_role(self, found: Mapping[str, str]) -> Answer:
        path = self._role_at(found)
        if any(_names(each, found["guid"]) for each in self.things.values()):
            raise Reply(409, "RoleDefinitionHasAssignments", "There are existing role assignments of the role.")
        return self._remove(path)

    def _put_assignment(self, path: str, found: Mapping[str, str], body: Any) -> Answer:
        UUID(found["guid"])
        wanted, scope = body["properties"], found["scope"]
        role = wanted["roleDefinitionId"].rpartition("/")[2]
        if role not in BUILT_IN and _role_id(role).lower() not in self.things:
            raise Reply(
                404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{role}' does not exist."
            )
        principal = wanted["principalId"]
        known = {each["principalId"] for each in self.identities()}
        known |= {each["id"] for each in self.directory.principals.values()}
        late = self._refused.setdefault(principal, self.strangers)
        if principal not in known or late > 0:
            self._refused[principal] -= 1
            words = f"Principal {principal} does not exist in the directory {TENANT}."
            raise Reply(400, "PrincipalNotFound", words)
        held = self.things.get(path.lower())
        if held and any(held["properties"][each] != wanted[each] for each in ("principalId", "roleDefinitionId")):
            raise Reply(
                409,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            )
        for key, each in self.things.items():
            same = each.get("properties", {}).get("principalId") == principal and _names(each, role)
            if same and key != path.lower() and each["properties"]["scope"].lower() == scope.lower():
                raise Reply(409, "RoleAssignmentExists", "The role assignment already exists.")
        return self._keep(path, {"properties": {**wanted, "scope": scope}})

    def _permissions(self, scope: str, request: Request) -> Answer:
        granted = self._granted(self._client(request), scope)
        return Answer(body={"value": [{"actions": each, "notActions": []} for each, _ in granted]})

    def _identity_token(self, request: Request) -> Answer:
        client = request.query.get("client_id", "")
        if client not in {each["clientId"] for each in self.identities()}:
            raise Reply(400, "invalid_request", "Identity not found")
        token = self.login.grant(client, "managed identity")
        return Answer(body={"access_token": token, "expires_on": "4102444800", "resource": "", "token_type": "Bearer"})

    def _need(self, namespace: str) -> None:
        if namespace not in self.registered:
            words = f"The subscription is not registered to use namespace '{namespace}'."
            raise Reply(409, "MissingSubscriptionRegistration", words)

    def _operation_url(self) -> str:
        return f"{self.url}/subscriptions/{SUBSCRIPTION}/operations/{uuid4()}?api-version=2021-04-01"


def _role_id(guid: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{guid}"


def _names(thing: Mapping[str, Any], role: str) -> bool:
    """Whether it is an assignment of this role."""
    return bool(str((thing.get("properties") or {}).get("roleDefinitionId", "")).endswith(role))


def _absent(path: str) -> Reply:
    return Reply(404, "ResourceNotFound", f"The Resource '{path}' was not found.")


def _subscription() -> dict[str, Any]:
    ids = {"id": f"/subscriptions/{SUBSCRIPTION}", "subscriptionId": SUBSCRIPTION, "tenantId": TENANT}
    return {**ids, "displayName": "Local", "state": "Enabled"}
