"""Workload Identity Federation: a dispatcher that is somebody in AWS or in Azure becomes the pushing account, without a
key.

A pool of identities with one provider, which lets in that one role or managed identity and nobody else. Sources:
cloud.google.com/iam/docs/workload-identity-federation-with-other-clouds (mappings, issuers, audiences). Pools and
providers are kept for 30 days by Google after they were deleted, and had back where they are made again.
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
GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
AZURE = re.compile(rf"azure:({GUID})\|({GUID})\|(api://[\w.~/-]+)", re.IGNORECASE)
PROVIDERS = ("aws", "azure")
AWS_MAPPING = {
    "google.subject": "assertion.arn.extract('assumed-role/{role}/')",
    "attribute.aws_role": "assertion.arn.extract('{before}assumed-role/') + 'assumed-role/' "
    "+ assertion.arn.extract('assumed-role/{role}/')",
}


@dataclass(frozen=True, slots=True)
class AwsRole:
    """Who dispatches, in AWS. Sessions of the role are told from others by `attribute.aws_role`."""

    partition: str
    account: str
    name: str
    provider: ClassVar[str] = "aws"
    application: ClassVar[str | None] = None

    @property
    def arn(self) -> str:
        """As it stands in what AWS says of its sessions: without a path."""
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{self.name}"

    @property
    def words(self) -> str:
        return f"AWS role {self.name} of account {self.account}"

    def trust(self) -> Mapping[str, Any]:
        """What the provider takes for granted, and whom it lets in."""
        return {
            "aws": {"accountId": self.account},
            "attributeMapping": AWS_MAPPING,
            "attributeCondition": f"attribute.aws_role == '{self.arn}'",
        }

    def member_of(self, identities: str) -> str:
        """As IAM policies name it."""
        return f"principalSet://iam.googleapis.com/{identities}/attribute.aws_role/{self.arn}"


@dataclass(frozen=True, slots=True)
class AzureIdentity:
    """Who dispatches, in Azure: a managed identity. Its tokens are for `application`, the application id URI of an
    app registration that is there for this alone: tokens for anything else would be worth something elsewhere."""

    tenant: str
    object_id: str
    application: str
    provider: ClassVar[str] = "azure"

    @property
    def words(self) -> str:
        return f"Azure identity {self.object_id} of tenant {self.tenant}"

    def trust(self) -> Mapping[str, Any]:
        return {
            "oidc": {
                "issuerUri": f"https://sts.windows.net/{self.tenant}",
                "allowedAudiences": [self.application],
            },
            "attributeMapping": {"google.subject": "assertion.sub"},
            "attributeCondition": f"assertion.sub == '{self.object_id}'",
        }

    def member_of(self, identities: str) -> str:
        return f"principal://iam.googleapis.com/{identities}/subject/{self.object_id}"


Outsider = AwsRole | AzureIdentity


def outsider(name: str) -> Outsider | None:
    """None for members of Google's own. Raises `ProvisionError` for what cannot be federated."""
    if found := ROLE_ARN.fullmatch(name):
        return AwsRole(found[1], found[2] or found[3], found[4])
    if found := AZURE.fullmatch(name):
        return AzureIdentity(found[1].lower(), found[2].lower(), found[3])
    if name.startswith(("arn:", "azure:")):
        raise ProvisionError(
            f"{name!r} cannot be let in as a dispatcher",
            remedy="Name a role in AWS by its ARN, a managed identity in Azure as "
            "'azure:<tenant>|<object id>|<application id URI>', or whoever it is by a workload identity pool of your "
            "own, as a member that begins with principal:// or principalSet://",
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
    """Takes another cloud's word for who somebody is, and only for that one."""

    kind = "workload identity provider"
    subject = "The dispatcher's cloud"

    def __init__(self, project: Project, pool: PoolIdentity, key: str, provider: str, who: Outsider | None) -> None:
        """`who`: None for one that is no longer wanted."""
        self.who, self.parent = who, f"{_parent(project)}/workloadIdentityPools/{pool_id(pool)}"
        super().__init__(project, pool, key, provider, f"{self.parent}/providers/{provider}")
        self.needs = (*self.needs, "identities")

    def _body(self) -> Mapping[str, Any]:
        return {**super()._body(), **(self.who.trust() if self.who else {})}

    def _methods(self) -> Any:
        return self._pools().providers()

    def _create(self, body: Mapping[str, Any]) -> Any:
        return self._methods().create(parent=self.parent, workloadIdentityPoolProviderId=self.name, body=body)


def pool_id(pool: PoolIdentity) -> str:
    """4 to 32 letters, digits and hyphens."""
    return joined(digest(pool, 12))


def audience(project: Project, pool: PoolIdentity, who: Outsider) -> str:
    """The provider as Google's token service and the credentials block name it: by the project's number."""
    return f"{_identities(project, pool)}/providers/{who.provider}"


def member(project: Project, pool: PoolIdentity, who: Outsider) -> str:
    """As IAM policies name who was let in."""
    return who.member_of(_identities(project, pool))


def _identities(project: Project, pool: PoolIdentity) -> str:
    return f"projects/{project.number}/locations/global/workloadIdentityPools/{pool_id(pool)}"


def _parent(project: Project) -> str:
    return f"{project.name}/locations/global"
