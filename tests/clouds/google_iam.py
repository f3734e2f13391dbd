"""IAM of the local Google: policies with etags, service accounts with their keys, and roles of a project.

By cloud.google.com/iam/docs: an account that a policy names must exist, a policy is only written over the one that was
read, deleted accounts stay in policies under another name, deleted roles can be had back.
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.clouds.google_errors import ApiError

Params = dict[str, str]
PREDEFINED = {
    "roles/owner": ["*"],
    "roles/iam.serviceAccountUser": [
        "iam.serviceAccounts.actAs",
        "iam.serviceAccounts.get",
        "iam.serviceAccounts.list",
    ],
    "roles/iam.serviceAccountTokenCreator": ["iam.serviceAccounts.getAccessToken"],
    "roles/iam.workloadIdentityUser": ["iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken"],
    "roles/secretmanager.secretAccessor": ["secretmanager.versions.access"],
    "roles/pubsub.publisher": ["pubsub.topics.publish"],
    "roles/run.developer": [
        f"run.{what}"
        for what in (
            "jobs.create",
            "jobs.get",
            "jobs.list",
            "jobs.update",
            "jobs.delete",
            "jobs.run",
            "jobs.runWithOverrides",
            "executions.get",
            "executions.list",
            "executions.cancel",
            "executions.delete",
            "tasks.list",
            "operations.get",
        )
    ],
    "roles/viewer": [],
}
"""What Google's own roles allow, as far as it is used here (cloud.google.com/iam/docs/understanding-roles)."""
MOST_KEYS = 10


def not_found(what: str) -> ApiError:
    return ApiError(404, "NOT_FOUND", f"{what} does not exist.")


def exists(what: str) -> ApiError:
    return ApiError(409, "ALREADY_EXISTS", f"{what} already exists.")


class Policies:
    """By full resource name. `knows` tells whether a member or role may be named."""

    def __init__(self, check: Callable[[str, str], None]) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        self.check = check
        self._etags = itertools.count(1)

    def read(self, resource: str) -> dict[str, Any]:
        return copy.deepcopy(self.all.setdefault(resource, {"version": 1, "etag": self._new_etag()}))

    def write(self, resource: str, policy: dict[str, Any]) -> dict[str, Any]:
        """Raises `ApiError`: ABORTED where the etag is not the one that is there."""
        held = self.read(resource)
        if policy.get("etag") and policy["etag"] != held["etag"]:
            message = "There were concurrent policy changes. Please retry the whole read-modify-write."
            raise ApiError(409, "ABORTED", message)
        conditions = any(each.get("condition") for each in policy.get("bindings", []))
        if conditions and policy.get("version") != 3:
            raise ApiError(400, "INVALID_ARGUMENT", "Policies with conditions must have version 3.")
        known = {(each["role"], member) for each in held.get("bindings", []) for member in each["members"]}
        for binding in policy.get("bindings", []):
            for member in binding.get("members", []):
                if (binding["role"], member) not in known:
                    self.check(binding["role"], member)
        self.all[resource] = {**copy.deepcopy(policy), "etag": self._new_etag()}
        return self.read(resource)

    def grant(self, resource: str, role: str, member: str, condition: dict[str, Any] | None = None) -> None:
        """Somebody's own doing."""
        policy = self.read(resource)
        extra = {"condition": condition} if condition else {}
        policy.setdefault("bindings", []).append({"role": role, "members": [member], **extra})
        self.all[resource] = {**policy, "version": 3 if condition else policy["version"], "etag": self._new_etag()}

    def revoke(self, resource: str, role: str, member: str) -> None:
        policy = self.read(resource)
        bindings = [
            {**each, "members": [one for one in each["members"] if (each["role"], one) != (role, member)]}
            for each in policy.get("bindings", [])
        ]
        self.all[resource] = {**policy, "bindings": [each for each in bindings if each["members"]], "etag": "changed"}

    def roles_of(self, resource: str, member: str) -> Iterator[str]:
        for each in self.all.get(resource, {}).get("bindings", []):
            if member in each["members"]:
                yield each["role"]

    def forget_account(self, email: str, uid: str) -> None:
        """Where a deleted account is named, its number is named from now on."""
        for policy in self.all.values():
            for binding in policy.get("bindings", []):
                gone = f"deleted:serviceAccount:{email}?uid={uid}"
                binding["members"] = [gone if one == f"serviceAccount:{email}" else one for one in binding["members"]]

    def bindings(self) -> dict[str, list[tuple[str, str]]]:
        """What there is, without what is empty."""
        found = {
            name: sorted((each["role"], member) for each in policy.get("bindings", []) for member in each["members"])
            for name, policy in self.all.items()
        }
        return {name: pairs for name, pairs in found.items() if pairs}

    def _new_etag(self) -> str:
        return base64.b64encode(f"policy {next(self._etags)}".encode()).decode()


@dataclass
class Account:
    body: dict[str, Any]
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    unseen: int = 0
    """How many more times policies do not know it yet."""


class Iam:
    """Of one project."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.roles: dict[str, dict[str, Any]] = {}
        self.purged: set[str] = set()
        """Names of deleted roles that can no longer be had back, and are still taken."""
        self.policies = Policies(self._check)
        self.known_after = 0
        """How many times policies do not know a new account yet (cloud.google.com/iam/docs/retry-strategy)."""
        self._numbers = itertools.count(100000000000000000001)

    def permissions(self, role: str) -> frozenset[str]:
        if role in self.roles:
            held = self.roles[role]
            return frozenset() if held.get("deleted") else frozenset(held["includedPermissions"])
        return frozenset(PREDEFINED[role])

    def _check(self, role: str, member: str) -> None:
        if role not in PREDEFINED and role not in self.roles:
            raise ApiError(400, "INVALID_ARGUMENT", f"Role ({role}) does not exist in the resource's hierarchy.")
        kind, _, name = member.partition(":")
        if kind == "serviceAccount" and "@gcp-sa-" not in name:
            account = self.accounts.get(name)
            if account and account.unseen:
                account.unseen -= 1
            elif account:
                return
            raise ApiError(400, "INVALID_ARGUMENT", f"Service account {name} does not exist.")

    # -- service accounts ----------------------------------------------------------------------------------------------

    def accounts_create(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        project = params["name"].partition("/")[2]
        name = body["accountId"]
        if not 6 <= len(name) <= 30:
            raise ApiError(400, "INVALID_ARGUMENT", "accountId must be 6 to 30 characters long.")
        email = f"{name}@{project}.iam.gserviceaccount.com"
        if email in self.accounts:
            raise exists(f"Service account {name}")
        if len(body.get("serviceAccount", {}).get("description", "").encode()) > 256:
            raise ApiError(400, "INVALID_ARGUMENT", "description must be at most 256 bytes.")
        full = {
            **body.get("serviceAccount", {}),
            "name": f"projects/{project}/serviceAccounts/{email}",
            "projectId": project,
            "uniqueId": str(next(self._numbers)),
            "email": email,
        }
        self.accounts[email] = Account(full, unseen=self.known_after)
        return full

    def accounts_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return self.account(params["name"]).body

    def accounts_list(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return {"accounts": [each.body for each in self.accounts.values()]}

    def accounts_delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        account = self.account(params["name"]).body
        del self.accounts[account["email"]]
        self.policies.all.pop(account["name"], None)
        self.policies.forget_account(account["email"], account["uniqueId"])
        return {}

    def accounts_enable(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        self.account(params["name"]).body.pop("disabled", None)
        return {}

    def account_get_policy(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return self.policies.read(self.account(params["resource"]).body["name"])

    def account_set_policy(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        return self.policies.write(self.account(params["resource"]).body["name"], body["policy"])

    def account(self, name: str) -> Account:
        email = name.split("/")[3]
        if email not in self.accounts:
            raise ApiError(404, "NOT_FOUND", f"Unknown service account: {email}")
        return self.accounts[email]

    # -- their keys ----------------------------------------------------------------------------------------------------

    def keys_create(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        account = self.account(params["name"])
        if len(account.keys) >= MOST_KEYS:
            raise ApiError(400, "FAILED_PRECONDITION", "Maximum number of keys on account reached.")
        number = f"{len(account.keys) + 1:02d}{next(self._numbers):038x}"[-40:]
        name = f"{account.body['name']}/keys/{number}"
        account.keys[name] = {"name": name, "keyType": "USER_MANAGED", "keyOrigin": "GOOGLE_PROVIDED"}
        told = {
            "type": "service_account",
            "project_id": account.body["projectId"],
            "private_key_id": number,
            "private_key": self.private_key,
            "client_email": account.body["email"],
            "client_id": account.body["uniqueId"],
            "token_uri": self.token_uri,
        }
        return account.keys[name] | {"privateKeyData": base64.b64encode(json.dumps(told).encode()).decode()}

    private_key = "not for signing"
    token_uri = "https://oauth2.googleapis.com/token"

    def keys_list(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        account = self.account(params["name"])
        own = {"name": f"{account.body['name']}/keys/google", "keyType": "SYSTEM_MANAGED"}
        found = [*account.keys.values(), *([] if query.get("keyTypes") == "USER_MANAGED" else [own])]
        return {"keys": found} if found else {}

    def keys_delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        if self.account(params["name"]).keys.pop(params["name"], None) is None:
            raise not_found(f"Service account key {params['name'].rpartition('/')[2]}")
        return {}

    # -- roles ---------------------------------------------------------------------------------------------------------

    def roles_create(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        name = f"{params['parent']}/roles/{body['roleId']}"
        if name in self.purged or self.roles.get(name, {}).get("deleted"):
            message = f"You can't create a role_id ({body['roleId']}) which has been marked for deletion."
            raise ApiError(400, "FAILED_PRECONDITION", message)
        if name in self.roles:
            raise exists(f"A role named {body['roleId']} in {params['parent']}")
        self.roles[name] = {**body["role"], "name": name}
        return self.roles[name]

    def roles_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return self._role(params["name"])

    def roles_patch(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        role = self._role(params["name"])
        if role.get("deleted"):
            raise ApiError(400, "FAILED_PRECONDITION", f"You can't update the deleted role {params['name']}.")
        role.update(body)
        return role

    def roles_delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        role = self._role(params["name"])
        role["deleted"] = True
        return role

    def roles_undelete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        role = self._role(params["name"])
        if params["name"] in self.purged:
            raise ApiError(400, "FAILED_PRECONDITION", "The role can no longer be undeleted.")
        role.pop("deleted", None)
        return role

    def _role(self, name: str) -> dict[str, Any]:
        if name not in self.roles:
            raise not_found(f"The role named {name}")
        return self.roles[name]
