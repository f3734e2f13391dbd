"""Workload Identity Federation: a dispatcher that is a role in AWS becomes the pushing account, without a key.

A pool of identities with one provider for the AWS account; the provider lets in that one role, whose sessions are told
from others by `attribute.aws_role` (cloud.google.com/iam/docs/workload-identity-federation-with-other-clouds). Both
are kept for 30 days by Google after they were deleted, and had back where they are made again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from skylift.provisioner import PoolIdentity, ProvisionError
from skylift_infra.gcp.errors import seen, telling
from skylift_infra.gcp.identities import IAM_API
from skylift_infra.gcp.names import described, is_described
from skylift_infra.gcp.project import Project
from skylift_infra.names import digest, joined
from skylift_infra.resources import Found, Made, Resource

ROLE_ARN = re.compile(
    r"arn:(aws[a-z-]*):(?:iam::(\d{12}):role/(?:.*/)?|sts::(\d{12}):assumed-role/)([\w+=,.@-]+)(?:/.*)?"
)
MAPPING = {
    "google.subject": "assertion.arn.extract('assumed-role/{role}/')",
    "attribute.aws_role": "assertion.arn.extract('{before}assumed-role/') + 'assumed-role/' "
    "+ assertion.arn.extract('assumed-role/{role}/')",
}


@dataclass(frozen=True, slots=True)
class AwsRole:
    """Who dispatches, in AWS."""

    partition: str
    account: str
    name: str

    @property
    def arn(self) -> str:
        """As it stands in what AWS says of its sessions: without a path."""
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{self.name}"


def outsider(name: str) -> AwsRole | None:
    """None for members of Google's own. Raises `ProvisionError` for what cannot be federated."""
    if found := ROLE_ARN.fullmatch(name):
        return AwsRole(found[1], found[2] or found[3], found[4])
    if name.startswith(("arn:", "azure:")):
        raise ProvisionError(
            f"{name!r} cannot be let in as a dispatcher",
            remedy="Name a role in AWS by its ARN, or whoever it is by a workload identity pool of your own, as a "
            "member that begins with principal:// or principalSet://",
        )
    return None


class _Federated(Resource):
    """What the pool of identities and its provider have in common."""

    subject: ClassVar[str]

    def __init__(self, project: Project, pool: PoolIdentity, key: str, name: str, full_name: str) -> None:
        super().__init__(key, name, (IAM_API,))
        self.project, self.pool, self.full_name = project, pool, full_name

    def look(self, made: Made) -> Found | None:
        found = self._read()
        if not found or found.get("state") == "DELETED":
            return None
        wanted = self._body()
        differences = tuple(f"its {name}" for name, value in wanted.items() if found.get(name) != value)
        differences += ("it is disabled",) if found.get("disabled") else ()
        owned = is_described(found.get("description"), self.pool)
        return Found({"name": self.full_name}, owned, differences if owned else ())

    def create(self, made: Made) -> None:
        found = self._read()
        if found and found.get("state") == "DELETED" and is_described(found.get("description"), self.pool):
            with telling(f"have the {self.kind} {self.name} back"):
                self._methods().undelete(name=self.full_name, body={}).execute()
            self.mend(made, Found({}))  # it comes back as it was
        elif not found:
            with telling(f"create the {self.kind} {self.name}", "ALREADY_EXISTS"):
                self._create(self._body()).execute()

    def mend(self, made: Made, found: Found) -> None:
        body = {**self._body(), "disabled": False}
        with telling(f"correct the {self.kind} {self.name}"):
            self._methods().patch(name=self.full_name, updateMask=",".join(body), body=body).execute()

    def delete(self, found: Found) -> None:
        with telling(f"delete the {self.kind} {self.name}", "NOT_FOUND"):
            self._methods().delete(name=self.full_name).execute()

    def _read(self) -> dict[str, Any] | None:
        return seen(f"read the {self.kind} {self.name}", self._methods().get(name=self.full_name))

    def _pools(self) -> Any:
        return self.project.api("iam").projects().locations().workloadIdentityPools()

    def _body(self) -> Mapping[str, Any]:
        return {"description": described(self.pool, self.subject)}

    def _methods(self) -> Any:
        raise NotImplementedError

    def _create(self, body: Mapping[str, Any]) -> Any:
        raise NotImplementedError


class IdentityPool(_Federated):
    """Who from outside may be somebody here."""

    kind = "workload identity pool"
    subject = "Dispatchers"

    def __init__(self, project: Project, pool: PoolIdentity) -> None:
        name = pool_id(pool)
        super().__init__(project, pool, "identities", name, f"{_parent(project)}/workloadIdentityPools/{name}")

    def _methods(self) -> Any:
        return self._pools()

    def _create(self, body: Mapping[str, Any]) -> Any:
        return self._pools().create(parent=_parent(self.project), workloadIdentityPoolId=self.name, body=body)


class IdentityProvider(_Federated):
    """Takes AWS's word for who somebody is, and only for that role."""

    kind = "workload identity provider"
    subject = "The dispatcher's AWS account"

    def __init__(self, project: Project, pool: PoolIdentity, role: AwsRole) -> None:
        self.role, self.parent = role, f"{_parent(project)}/workloadIdentityPools/{pool_id(pool)}"
        super().__init__(project, pool, "identity-provider", "aws", f"{self.parent}/providers/aws")
        self.needs = (*self.needs, "identities")

    def _body(self) -> Mapping[str, Any]:
        return {
            **super()._body(),
            "aws": {"accountId": self.role.account},
            "attributeMapping": MAPPING,
            "attributeCondition": f"attribute.aws_role == '{self.role.arn}'",
        }

    def _methods(self) -> Any:
        return self._pools().providers()

    def _create(self, body: Mapping[str, Any]) -> Any:
        return self._methods().create(parent=self.parent, workloadIdentityPoolProviderId=self.name, body=body)


def pool_id(pool: PoolIdentity) -> str:
    """4 to 32 letters, digits and hyphens."""
    return joined(digest(pool, 12))


def audience(project: Project, pool: PoolIdentity) -> str:
    """The provider as Google's token service and the credentials block name it: by the project's number."""
    return f"projects/{project.number}/locations/global/workloadIdentityPools/{pool_id(pool)}/providers/aws"


def member(project: Project, pool: PoolIdentity, role: AwsRole) -> str:
    """As IAM policies name the role's sessions."""
    identities = f"projects/{project.number}/locations/global/workloadIdentityPools/{pool_id(pool)}"
    return f"principalSet://iam.googleapis.com/{identities}/attribute.aws_role/{role.arn}"


def _parent(project: Project) -> str:
    return f"{project.name}/locations/global"
