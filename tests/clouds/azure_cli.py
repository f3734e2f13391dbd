"""A stand-in for the `az` command, as far as others' tools call it: a script that asks the local Azure.

AZ_URL and AZ_TOKEN say where that is. Queries are not evaluated: their answers are filtered by what they always ask.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
import uuid
from typing import Any

ROLES = {"Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c", "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d"}
PROVIDERS = ("Microsoft.ContainerInstance", "Microsoft.ContainerRegistry", "Microsoft.ManagedIdentity")


def ask(method: str, path: str, body: Any = None, prefer: str = "") -> Any:
    """JSON; None where there is no such thing."""
    headers = {
        "Authorization": f"Bearer {os.environ['AZ_TOKEN']}",
        "Prefer": prefer,
        "Content-Type": "application/json",
    }
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(os.environ["AZ_URL"] + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        sys.exit(f"ERROR: {json.loads(error.read())['error']['message']}")


def application(name: str) -> Any:
    return ask("GET", f"/v1.0/applications(uniqueName='{name}')")


def by_client(client: str) -> Any:
    return ask("GET", f"/v1.0/servicePrincipals(appId='{client}')")


def run(words: tuple[str, ...], given: argparse.Namespace) -> Any:  # noqa: C901 - one case a command
    account = f"/subscriptions/{given.subscription}"
    group = f"{account}/resourceGroups/{given.name if words[0] == 'group' else given.resource_group}"
    identity = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{given.name}"
    match words:
        case ("account", "list"):
            found = ask("GET", "/subscriptions")["value"]
            return [{"id": each["subscriptionId"], "name": each["displayName"]} for each in found]
        case ("account", "list-locations"):
            return ""
        case ("group", "exists"):
            return ask("GET", group) is not None
        case ("group", "create"):
            for each in PROVIDERS:
                ask("POST", f"{account}/providers/{each}/register")
            return ask("PUT", group, {"location": given.location})
        case ("ad", "app", "list"):
            found = application(given.display_name)
            return [found] if found else []
        case ("ad", "app", "create"):
            name = given.display_name
            body = {"displayName": name}
            ask("PATCH", f"/v1.0/applications(uniqueName='{name}')", body, "create-if-missing")
            return application(name)
        case ("ad", "app", "credential", "reset"):
            principal = by_client(given.id) or ask(
                "PATCH", f"/v1.0/servicePrincipals(appId='{given.id}')", {}, "create-if-missing"
            )
            owner = application(os.environ["AZ_APPLICATION"])
            made = ask("POST", f"/v1.0/applications/{owner['id']}/addPassword", {"passwordCredential": {}})
            return {"appId": principal["appId"], "password": made["secretText"], "tenant": os.environ["AZ_TENANT"]}
        case ("ad", "sp", "list"):
            found = by_client(given.query.split("'")[1])
            return [found] if found else []
        case ("role", "assignment", "list") | ("acr", "list") | ("acr", "login"):
            return []
        case ("role", "assignment", "create"):
            name = uuid.uuid5(uuid.NAMESPACE_URL, f"{given.scope}{given.assignee_object_id}{given.role}")
            role = f"{account}/providers/Microsoft.Authorization/roleDefinitions/{ROLES[given.role]}"
            body = {"properties": {"roleDefinitionId": role, "principalId": given.assignee_object_id}}
            return ask("PUT", f"{given.scope}/providers/Microsoft.Authorization/roleAssignments/{name}", body)
        case ("acr", "create"):
            path = f"{group}/providers/Microsoft.ContainerRegistry/registries/{given.name}"
            body = {"location": given.location, "sku": {"name": given.sku}, "properties": {}}
            made = ask("PUT", path, body)
            return {**made, "loginServer": made["properties"]["loginServer"]}
        case ("identity", "list"):
            name = given.query.split("'")[1]
            found = ask("GET", identity.rpartition("/")[0] + f"/{name}")
            return [{**found, **found["properties"]}] if found else []
        case ("identity", "create"):
            made = ask("PUT", identity, {"location": "eastus"})
            return {**made, **made["properties"]}
    sys.exit(f"ERROR: az {' '.join(words)} is not part of the stand-in")


def main() -> None:
    options = argparse.ArgumentParser(prog="az")
    options.add_argument("words", nargs="*")
    options.add_argument("--version", action="store_true")
    options.add_argument("--append", action="store_true")
    options.add_argument("--all", action="store_true")
    for name in (
        "subscription name location resource-group display-name id query role scope sku output "
        "assignee assignee-object-id assignee-principal-type"
    ).split():
        options.add_argument(f"--{name}", default="")
    given = options.parse_args()
    answer = "azure-cli 2" if given.version else run(tuple(given.words), given)
    print(answer if isinstance(answer, str) else json.dumps(answer))


if __name__ == "__main__":
    main()
