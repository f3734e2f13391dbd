"""What is in the local Azure's subscription beside container groups: put, seen, removed, by Azure's own rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from tests.clouds.azure import SUBSCRIPTION, LocalAzure, Reply
from tests.clouds.azure_directory import Directory, DirectoryLogin
from tests.clouds.azure_login import TENANT
from tests.clouds.http_cloud import Answer

GROUP = r"/subscriptions/(?P<sub>[^/]+)/resourceGroups/(?P<rg>[^/]+)"
BUILT_IN = {
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": ["Microsoft.ContainerRegistry/registries/pull/read"],
    "b24988ac-6180-42a0-ab88-20f7382dd24c": ["*"],
}
KINDS = {
    "resource groups": r"/subscriptions/[^/]+/resourcegroups/[^/]+",
    "registries": r".*/registries/[^/]+",
    "identities": r".*/userassignedidentities/[^/]+",
    "trusts": r".*/federatedidentitycredentials/[^/]+",
    "roles": r".*/roledefinitions/[^/]+",
    "assignments": r".*/roleassignments/[^/]+",
}


class Subscription(LocalAzure):
    """Empty when it starts, resource providers not even registered. Things come and go as late as `lag` says."""

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
        path = role_id(found["guid"])
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
        return role_id(found["guid"])

    def _delete_role(self, found: Mapping[str, str]) -> Answer:
        path = self._role_at(found)
        if any(_names(each, found["guid"]) for each in self.things.values()):
            raise Reply(409, "RoleDefinitionHasAssignments", "There are existing role assignments of the role.")
        return self._remove(path)

    def _put_assignment(self, path: str, found: Mapping[str, str], body: Any) -> Answer:
        UUID(found["guid"])
        wanted, scope = body["properties"], found["scope"]
        role = wanted["roleDefinitionId"].rpartition("/")[2]
        if role not in BUILT_IN and role_id(role).lower() not in self.things:
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

    def _need(self, namespace: str) -> None:
        if namespace not in self.registered:
            words = f"The subscription is not registered to use namespace '{namespace}'."
            raise Reply(409, "MissingSubscriptionRegistration", words)

    def _operation_url(self) -> str:
        return f"{self.url}/subscriptions/{SUBSCRIPTION}/operations/{uuid4()}?api-version=2021-04-01"


def role_id(guid: str) -> str:
    return f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{guid}"


def _names(thing: Mapping[str, Any], role: str) -> bool:
    """Whether it is an assignment of this role."""
    return bool(str((thing.get("properties") or {}).get("roleDefinitionId", "")).endswith(role))


def _absent(path: str) -> Reply:
    return Reply(404, "ResourceNotFound", f"The Resource '{path}' was not found.")


def subscription() -> dict[str, Any]:
    ids = {"id": f"/subscriptions/{SUBSCRIPTION}", "subscriptionId": SUBSCRIPTION, "tenantId": TENANT}
    return {**ids, "displayName": "Local", "state": "Enabled"}
