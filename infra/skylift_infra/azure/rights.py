"""Rights: the pool's own role with what the provider declares, and who has which role where.

Role definitions and assignments are named by GUIDs; ours are made from the pool's identity, so that each is found
again, and made once, whatever got lost. They take no tags: the mark is in the description.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from skylift_container_instance.permissions import PERMISSIONS
from skylift_infra.azure.account import Account
from skylift_infra.azure.errors import AbsentError, just_made, seen, telling
from skylift_infra.resources import Found, Made, Resource

ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
"""https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/containers#acrpull"""


OF_THE_SUBSCRIPTION = "Microsoft.ContainerInstance/locations/usages/read"
"""Azure asks for it on the subscription, where a pool's role is never assigned."""


def actions(*, subnets: bool = True) -> list[str]:
    """What pushing, watching, stopping and checking runs takes: what the provider declares, and nothing else.
    `subnets`: whether the pool's runs are in some."""
    found = {each.action for each in PERMISSIONS} - {OF_THE_SUBSCRIPTION}
    return sorted(each for each in found if subnets or not each.startswith("Microsoft.Network/"))


class Role(Resource):
    """A custom role that can be assigned in the pool's places only."""

    kind = "role"
    verbs = ("Define", "Defining")
    finds_itself = True

    def __init__(
        self,
        account: Account,
        key: str,
        name: str,
        guid: str,
        mark: str,
        *,
        allows: Sequence[str],
        scopes: Sequence[str],
    ) -> None:
        """`scopes`: ids of resource groups; the first one is the pool's."""
        super().__init__(key, name, ("group",))
        self.account, self.guid, self.mark, self.scopes = account, guid, mark, list(scopes)
        self.allows = list(allows)

    def look(self, made: Made) -> Found | None:
        # By the subscription where the resource group is gone: the role outlives it.
        found = self._at(self.scopes[0]) or ("group" not in made and self._at(self.account.scope)) or None
        if not found:
            return None
        held = sorted(action for each in found.permissions for action in each.actions or [])
        more = [each for each in found.permissions if each.data_actions or each.not_actions]
        differences = [] if held == self.allows and not more else ["what it allows"]
        places = sorted(each.lower() for each in found.assignable_scopes)
        differences += [] if places == sorted(each.lower() for each in self.scopes) else ["where it can be assigned"]
        return Found({"id": found.id}, found.description == self.mark, tuple(differences))

    def _at(self, scope: str) -> Any:
        return seen(f"look at the role {self.name}", lambda: self.account.rights.role_definitions.get(scope, self.guid))

    def create(self, made: Made) -> None:
        properties = {
            "roleName": self.name,
            "description": self.mark,
            "type": "CustomRole",
            "permissions": [{"actions": self.allows, "notActions": []}],
            "assignableScopes": self.scopes,
        }
        with just_made(), telling(f"define the role {self.name}"):
            self.account.rights.role_definitions.create_or_update(self.scopes[0], self.guid, {"properties": properties})

    def mend(self, made: Made, found: Found) -> None:
        self.create(made)

    def delete(self, found: Found) -> None:
        for scope in (self.scopes[0], self.account.scope):
            with suppress(AbsentError), telling(f"delete the role {self.name}"):
                self.account.rights.role_definitions.delete(scope, self.guid)
                return


class Assignment(Resource):
    """Somebody has a role somewhere."""

    kind = "role assignment"
    verbs = ("Make", "Making")
    finds_itself = True

    def __init__(
        self,
        account: Account,
        key: str,
        name: str,
        guid: str,
        mark: str,
        *,
        scope: Callable[[Made], str | None],
        role: Callable[[Made], str | None],
        principal: str,
        needs: tuple[str, ...],
    ) -> None:
        """`scope` and `role`: their ids; None: not known before something is made. `principal`: the key of who."""
        super().__init__(key, name, needs)
        self.account, self.guid, self.mark = account, guid, mark
        self.scope, self.role, self.principal = scope, role, principal

    def look(self, made: Made) -> Found | None:
        scope = self.scope(made)
        if not scope:
            return None
        assignments = self.account.rights.role_assignments
        found = seen(f"look at the {self.kind} {self.name}", lambda: assignments.get(scope, self.guid))
        if not found:
            return None
        who, role = made.get(self.principal), self.role(made)
        differences = [] if not who or found.principal_id == who["principal"] else ["who has it"]
        differences += [] if not role or _same(found.role_definition_id, role) else ["which role it is"]
        return Found({"id": found.id, "scope": scope}, found.description == self.mark, tuple(differences))

    def create(self, made: Made) -> None:
        properties = {
            "roleDefinitionId": self.role(made),
            "principalId": made[self.principal]["principal"],
            "principalType": "ServicePrincipal",  # or else Azure looks for it in a copy of the directory that is late
            "description": self.mark,
        }
        with just_made(), telling(f"assign {self.name}", "RoleAssignmentExists"):
            self.account.rights.role_assignments.create(self.scope(made), self.guid, {"properties": properties})

    def mend(self, made: Made, found: Found) -> None:
        """What an assignment says cannot be changed."""
        self.delete(found)
        self.create(made)

    def delete(self, found: Found) -> None:
        with suppress(AbsentError), telling(f"take away {self.name}"):
            self.account.rights.role_assignments.delete(found.outputs["scope"], self.guid)


def _same(one: str, other: str) -> bool:
    """Azure names one role by its subscription or by its resource group: the GUID tells."""
    return one.rpartition("/")[2].lower() == other.rpartition("/")[2].lower()


def mark(tags: Mapping[str, str]) -> str:
    return f"Made by Skylift for a work pool: {', '.join(f'{name}={value}' for name, value in tags.items())}"
