"""IAM: the accounts of runs and of whoever pushes them, the role that says what pushing takes, and, where it is asked
for, a key."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from skylift.provisioner import PoolIdentity, ProvisionError
from skylift_infra.gcp.errors import NOT_THERE, seen, telling
from skylift_infra.gcp.names import described, is_described
from skylift_infra.gcp.project import Project
from skylift_infra.resources import Found, Made, Resource

IAM_API = "api-iam"
SPARE_ROLES = 3
"""How many names a role may have: a deleted one can be had back for 7 days, and then its name is taken for 37."""


class ServiceAccount(Resource):
    """An account without rights of its own."""

    kind = "service account"

    def __init__(self, project: Project, pool: PoolIdentity, key: str, name: str, purpose: str) -> None:
        super().__init__(key, name, (IAM_API,))
        self.project, self.pool, self.purpose = project, pool, purpose
        self.email = email_of(project, name)
        self.full_name = f"{project.name}/serviceAccounts/{self.email}"

    def look(self, made: Made) -> Found | None:
        found = seen(f"read the service account {self.name}", self._accounts().get(name=self.full_name))
        if not found:
            return None
        owned = is_described(found.get("description"), self.pool)
        differences = ("it is disabled",) if owned and found.get("disabled") else ()
        return Found({"email": self.email}, owned, differences)

    def create(self, made: Made) -> None:
        account = {"displayName": "Skylift", "description": described(self.pool, self.purpose)}
        with telling(f"create the service account {self.name}", "ALREADY_EXISTS"):
            body = {"accountId": self.name, "serviceAccount": account}
            self._accounts().create(name=self.project.name, body=body).execute()

    def mend(self, made: Made, found: Found) -> None:
        with telling(f"enable the service account {self.name}"):
            self._accounts().enable(name=self.full_name, body={}).execute()

    def delete(self, found: Found) -> None:
        with telling(f"delete the service account {self.name}", "NOT_FOUND"):
            self._accounts().delete(name=self.full_name).execute()

    def _accounts(self) -> Any:
        return self.project.api("iam").projects().serviceAccounts()


class RuntimeAccount(ServiceAccount):
    """The account that runs have. One that is not ours is used as it is. The jobs that run as ours go with it, for
    nobody could ever run them again."""

    may_be_foreign = True

    def delete(self, found: Found) -> None:
        jobs = self.project.api("run").projects().locations().jobs()
        with telling(f"list the jobs that run as {self.name}", *NOT_THERE):
            request = jobs.list(parent=self.project.place)
            while request is not None:
                page = request.execute()
                for each in page.get("jobs", []):
                    if each.get("template", {}).get("template", {}).get("serviceAccount") == self.email:
                        jobs.delete(name=each["name"]).execute()
                request = jobs.list_next(request, page)
        super().delete(found)


class PushingAccount(ServiceAccount):
    """The account that pushes runs. `keyless`: it has no keys, also none that somebody has made by hand."""

    def __init__(self, project: Project, pool: PoolIdentity, key: str, name: str, *, keyless: bool) -> None:
        super().__init__(project, pool, key, name, "Pushes the runs")
        self.keyless = keyless

    def look(self, made: Made) -> Found | None:
        found = super().look(made)
        keys = list_keys(self.project, self.full_name) if found and found.owned and self.keyless else []
        if not found or not keys:
            return found
        return Found(found.outputs, True, (*found.differences, f"it has {len(keys)} keys"), detail=keys)

    def mend(self, made: Made, found: Found) -> None:
        super().mend(made, found)
        remove_keys(self.project, found.detail or [])


class Key(Resource):
    """The pushing account's one key. It is told once, so one that the pool's block does not hold is made anew."""

    kind = "key of service account"

    def __init__(self, project: Project, key: str, account: ServiceAccount, known_id: str | None) -> None:
        super().__init__(key, account.name, (account.key,))
        self.project, self.account, self.known_id = project, account, known_id
        self.told: dict[str, Any] | None = None

    def look(self, made: Made) -> Found | None:
        names = list_keys(self.project, self.account.full_name)
        if not names:
            return None
        known = next((each for each in names if each.rpartition("/")[2] == self.known_id), None)
        strays = [each for each in names if each != known]
        differences = ("it is not in the pool's credentials block",) if strays else ()
        return Found({"id": (known or names[0]).rpartition("/")[2]}, True, differences, detail=names)

    def create(self, made: Made) -> None:
        with telling(f"create a key for {self.name}"):
            keys = self.project.api("iam").projects().serviceAccounts().keys()
            made_now = keys.create(name=self.account.full_name, body={}).execute()
        self.known_id = made_now["name"].rpartition("/")[2]
        self.told = json.loads(base64.b64decode(made_now["privateKeyData"]))

    def mend(self, made: Made, found: Found) -> None:
        remove_keys(self.project, [each for each in found.detail if each.rpartition("/")[2] != self.known_id])
        if found.outputs["id"] != self.known_id:
            self.create(made)

    def delete(self, found: Found) -> None:
        remove_keys(self.project, found.detail)


class CustomRole(Resource):
    """What pushing, watching and stopping runs takes, and nothing else."""

    kind = "custom role"

    def __init__(
        self, project: Project, pool: PoolIdentity, key: str, role_id: str, permissions: Sequence[str]
    ) -> None:
        super().__init__(key, role_id, (IAM_API,))
        self.project, self.pool, self.permissions = project, pool, sorted(permissions)

    def look(self, made: Made) -> Found | None:
        for number in range(SPARE_ROLES):
            found = self._read(number)
            if found and not found.get("deleted") and is_described(found.get("description"), self.pool):
                differences = self._differences(found.get("includedPermissions", []))
                return Found({"name": found["name"]}, True, differences)
        return None

    def _differences(self, held: Sequence[str]) -> tuple[str, ...]:
        missing, more = sorted(set(self.permissions) - set(held)), sorted(set(held) - set(self.permissions))
        found = [f"it lacks {', '.join(missing)}"] if missing else []
        return (*found, f"it allows {', '.join(more)}, too") if more else tuple(found)

    def create(self, made: Made) -> None:
        """Under the first of its names that is free, or that can be had back."""
        for number in range(SPARE_ROLES):
            found = self._read(number)
            if not found:
                with telling(f"create the role {self._id(number)}", "ALREADY_EXISTS"):
                    body = {"roleId": self._id(number), "role": self._role()}
                    self._roles().create(parent=self.project.name, body=body).execute()
                return
            is_ours = is_described(found.get("description"), self.pool)
            if is_ours and (not found.get("deleted") or self._undeleted(number)):
                self._put(self._name(number))
                return
        raise ProvisionError(
            f"Google keeps the names of deleted roles for 37 days, and {self.name!r} was deleted too often",
            remedy="Wait, or give the work pool another name",
        )

    def mend(self, made: Made, found: Found) -> None:
        self._put(found.outputs["name"])

    def delete(self, found: Found) -> None:
        with telling(f"delete the role {self.name}", "NOT_FOUND"):
            self._roles().delete(name=found.outputs["name"]).execute()

    def _undeleted(self, number: int) -> bool:
        """False where it is too late for that."""
        request = self._roles().undelete(name=self._name(number), body={})
        return bool(seen(f"have the role {self._id(number)} back", request, "FAILED_PRECONDITION", "INVALID_ARGUMENT"))

    def _put(self, name: str) -> None:
        with telling(f"say what the role {self.name} allows"):
            self._roles().patch(name=name, body=self._role()).execute()

    def _role(self) -> dict[str, Any]:
        return {
            "title": "Skylift dispatcher",
            "description": described(self.pool, "For the dispatcher"),
            "includedPermissions": self.permissions,
            "stage": "GA",
        }

    def _read(self, number: int) -> dict[str, Any] | None:
        return seen(f"read the role {self._id(number)}", self._roles().get(name=self._name(number)))

    def _id(self, number: int) -> str:
        return f"{self.name}_{number + 1}" if number else self.name

    def _name(self, number: int) -> str:
        return f"{self.project.name}/roles/{self._id(number)}"

    def _roles(self) -> Any:
        return self.project.api("iam").projects().roles()


def email_of(project: Project, account_id: str) -> str:
    if "@" in account_id:
        return account_id
    domain = ".".join(reversed(project.id.split(":")))  # a project of a domain is named `example.com:name`
    return f"{account_id}@{domain}.iam.gserviceaccount.com"


def list_keys(project: Project, account: str) -> list[str]:
    """The full names of the keys that people have made; Google's own, which nobody can have, are not among them."""
    keys = project.api("iam").projects().serviceAccounts().keys()
    request = keys.list(name=account, keyTypes=["USER_MANAGED"])
    found = seen(f"list the keys of {account.rpartition('/')[2]}", request) or {}
    return [each["name"] for each in found.get("keys", []) if each.get("keyType", "USER_MANAGED") == "USER_MANAGED"]


def remove_keys(project: Project, names: Sequence[str]) -> None:
    for each in names:
        with telling(f"delete a key of {each.split('/')[3]}", "NOT_FOUND"):
            project.api("iam").projects().serviceAccounts().keys().delete(name=each).execute()
