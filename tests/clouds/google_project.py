"""The local Google with all that a project has: for provisioning, and for runs that have only what was provisioned.

`python -m tests.clouds.google_project` starts it by itself.
"""

from __future__ import annotations

import base64
import signal
import threading
from collections.abc import Mapping
from typing import Any

from tests.clouds import google
from tests.clouds.google import Handler, LocalGoogle
from tests.clouds.google_discovery import Method
from tests.clouds.google_errors import denied
from tests.clouds.google_federation import Federation
from tests.clouds.google_iam import Iam
from tests.clouds.google_permissions import MORE
from tests.clouds.google_resources import Resources
from tests.clouds.google_secrets import ACCESSOR
from tests.clouds.http_cloud import Answer, Request

Params = dict[str, str]
PERSON = "ann@example.com"
"""Whoever calls without a token."""
google.PERMISSIONS.update(MORE)
FOR_ANYBODY = ("cloudresourcemanager.projects.testIamPermissions", "iamcredentials", "oauth2")


class LocalGoogleProject(LocalGoogle):
    """Owned by `PERSON`; service accounts have the rights that its policies give them, and no more."""

    def __init__(self, project: str = "central-kit-405415", **others: str) -> None:
        """`others`: further projects by id, which are empty, and their display names."""
        self.project = project
        self.projects = {project: "Central kit", **others}
        self.iam = Iam()
        self.resources = Resources(self.iam.policies)
        self.federation = Federation()
        self._asked = threading.local()
        super().__init__()
        self.tokens = {"": PERSON}
        self.iam.token_uri = f"{self.url}/token"
        self.iam.private_key = _new_key()
        self.iam.policies.grant(f"projects/{project}", "roles/owner", f"user:{PERSON}")

    def everything(self) -> dict[str, Any]:
        """All that there is, as an owner could list it; without the services, which are on or off."""
        return {
            "accounts": {name: sorted(each.keys) for name, each in self.iam.accounts.items()},
            "roles": sorted(name for name, each in self.iam.roles.items() if not each.get("deleted")),
            "policies": self.iam.policies.bindings(),
            "repositories": sorted(self.resources.repositories),
            "topics": sorted(self.resources.topics),
            "subscriptions": sorted(self.resources.subscriptions),
            "sinks": sorted(self.resources.sinks),
            "federated": self.federation.active(),
            "secrets": {name: len(each.versions) for name, each in self.secrets.all.items()},
            "jobs": sorted(self.run.jobs),
        }

    def key_of_person(self) -> dict[str, str]:
        """A file for GOOGLE_APPLICATION_CREDENTIALS, for what is not to be done without a token."""
        told = {"client_email": PERSON, "private_key": self.iam.private_key, "token_uri": self.iam.token_uri}
        return {"type": "service_account", "project_id": self.project, "private_key_id": "1", **told}

    # -- who may do what -----------------------------------------------------------------------------------------------

    def _note(self, method: Method, params: Mapping[str, str], query: Mapping[str, str], sent: Any) -> None:
        super()._note(method, params, query, sent)
        self._asked.now = (method, dict(params), sent)

    def _authorize(self, permission: str, headers: Mapping[str, str]) -> None:
        super()._authorize(permission, headers)
        method, _, sent = self._asked.now
        who = (self.tokens or {})[headers.get("authorization", "").removeprefix("Bearer ")]
        self._asked.who = who
        if method.id.startswith(FOR_ANYBODY):
            return
        service = f"{method.id.partition('.')[0]}.googleapis.com"
        if method.id != "cloudresourcemanager.projects.search":
            self.resources.check_service(service, self.project)
        needed = [permission, "run.jobs.run"] if method.id.endswith("jobs.run") else [permission]
        for each in filter(None, needed):
            if each not in self.rights_of(who):
                raise denied(each)
        if method.id.endswith(("jobs.create", "jobs.patch")):
            runs_as = sent.get("template", {}).get("template", {}).get("serviceAccount", "the default account")
            if "iam.serviceAccounts.actAs" not in self.rights_of(
                who, f"projects/{self.project}/serviceAccounts/{runs_as}"
            ):
                raise denied("iam.serviceaccounts.actAs")

    def rights_of(self, email: str, resource: str = "") -> frozenset[str]:
        """On the project, and on this resource of it."""
        if email == PERSON:
            return _All()
        member = f"serviceAccount:{email}"
        held: set[str] = set()
        for each in filter(None, (f"projects/{self.project}", resource)):
            for role in self.iam.policies.roles_of(each, member):
                held |= self.iam.permissions(role)
        return frozenset(held)

    def _test_permissions(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        rights = self.rights_of(self._asked.who)
        return {"permissions": [each for each in body.get("permissions", []) if each in rights]}

    def _test_account_permissions(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        account = self.iam.account(params["resource"].replace("projects/-", f"projects/{self.project}")).body
        rights = self.rights_of(self._asked.who, account["name"])
        return {"permissions": [each for each in body.get("permissions", []) if each in rights]}

    def _impersonate(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        """Only who has the right to, on the account itself."""
        self.resources.check_service("iamcredentials.googleapis.com", self.project)
        account = self.iam.account(params["name"].replace("projects/-", f"projects/{self.project}")).body
        who = self._asked.who
        member = f"user:{who}" if who == PERSON else who if "://" in who else f"serviceAccount:{who}"
        roles = self.iam.policies.roles_of(account["name"], member)
        if not any("iam.serviceAccounts.getAccessToken" in self.iam.permissions(each) for each in roles):
            raise denied("iam.serviceAccounts.getAccessToken")
        return super()._impersonate(params, query, body)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _all_handlers(self) -> dict[str, Handler]:
        iam, more = self.iam, self.resources
        accounts, roles = "iam.projects.serviceAccounts", "iam.projects.roles"
        repositories = "artifactregistry.projects.locations.repositories"
        subscriptions = "pubsub.projects.subscriptions"
        topics, sinks = "pubsub.projects.topics", "logging.projects.sinks"
        federated = "iam.projects.locations.workloadIdentityPools"
        verbs = ("create", "get", "patch", "delete", "undelete")
        outside = {
            f"{prefix}.{verb}": getattr(self.federation, verb)
            for prefix in (federated, f"{federated}.providers")
            for verb in verbs
        }
        return (
            super()._all_handlers()
            | outside
            | {
                "oauth2.tokeninfo": self._who,
                "cloudresourcemanager.projects.search": self._search,
                "cloudresourcemanager.projects.get": self._get_project,
                "cloudresourcemanager.projects.getIamPolicy": self._get_policy,
                "cloudresourcemanager.projects.setIamPolicy": self._set_policy,
                "serviceusage.services.get": more.services_get,
                "serviceusage.services.enable": more.services_enable,
                f"{accounts}.create": iam.accounts_create,
                f"{accounts}.get": iam.accounts_get,
                f"{accounts}.list": iam.accounts_list,
                f"{accounts}.delete": iam.accounts_delete,
                f"{accounts}.enable": iam.accounts_enable,
                f"{accounts}.getIamPolicy": iam.account_get_policy,
                f"{accounts}.setIamPolicy": iam.account_set_policy,
                f"{accounts}.testIamPermissions": self._test_account_permissions,
                f"{accounts}.keys.create": iam.keys_create,
                f"{accounts}.keys.list": iam.keys_list,
                f"{accounts}.keys.delete": iam.keys_delete,
                f"{roles}.create": iam.roles_create,
                f"{roles}.get": iam.roles_get,
                f"{roles}.patch": iam.roles_patch,
                f"{roles}.delete": iam.roles_delete,
                f"{roles}.undelete": iam.roles_undelete,
                f"{repositories}.create": more.repositories_create,
                f"{repositories}.get": more.repositories_get,
                f"{repositories}.patch": more.repositories_patch,
                f"{repositories}.delete": more.repositories_delete,
                f"{subscriptions}.create": more.subscriptions_create,
                f"{subscriptions}.get": more.subscriptions_get,
                f"{subscriptions}.modifyPushConfig": more.subscriptions_push,
                f"{subscriptions}.delete": more.subscriptions_delete,
                f"{topics}.create": more.topics_create,
                f"{topics}.get": more.topics_get,
                f"{topics}.delete": more.topics_delete,
                f"{topics}.getIamPolicy": more.topic_get_policy,
                f"{topics}.setIamPolicy": more.topic_set_policy,
                f"{sinks}.create": more.sinks_create,
                f"{sinks}.get": more.sinks_get,
                f"{sinks}.patch": more.sinks_patch,
                f"{sinks}.delete": more.sinks_delete,
                "secretmanager.projects.secrets.getIamPolicy": self._get_secret_policy,
                "secretmanager.projects.secrets.setIamPolicy": self._set_secret_policy,
                "secretmanager.projects.secrets.delete": self._delete_secret,
                "secretmanager.projects.secrets.versions.access": self._access_version,
            }
        )

    def _who(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return {"email": (self.tokens or {}).get(query.get("access_token", ""), "")}

    def _search(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return {"projects": [self._shown(each) for each in self.projects]}

    def _get_project(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        found = params["name"].partition("/")[2]
        if found not in self.projects:
            raise denied("resourcemanager.projects.get")  # Google does not tell what one may not see
        return self._shown(found)

    def _shown(self, project: str) -> dict[str, Any]:
        return {"name": "projects/1", "projectId": project, "state": "ACTIVE", "displayName": self.projects[project]}

    def _get_policy(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        policy = self.iam.policies.read(params["resource"])
        if body.get("options", {}).get("requestedPolicyVersion") != 3:
            for each in policy.get("bindings", []):
                each.pop("condition", None)
        return policy

    def _set_policy(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return self.iam.policies.write(params["resource"], body["policy"])

    def _get_secret_policy(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        self.secrets.secrets_get({"name": params["resource"]}, {}, None)
        return self.iam.policies.read(params["resource"])

    def _set_secret_policy(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        self.secrets.secrets_get({"name": params["resource"]}, {}, None)
        written = self.iam.policies.write(params["resource"], body["policy"])
        members = [one for each in written.get("bindings", []) if each["role"] == ACCESSOR for one in each["members"]]
        self.secrets.all[params["resource"]].readers = set(members)
        return written

    def _delete_secret(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        self.iam.policies.all.pop(params["name"], None)
        return self.secrets.secrets_delete(params, query, body)

    def _access_version(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        version = self.secrets.versions_get(params, query, body)["name"]
        secret, _, number = version.partition("/versions/")
        value = self.secrets.all[secret].versions[int(number) - 1]
        return {"name": version, "payload": {"data": base64.b64encode(value.encode()).decode()}}

    def answer(self, request: Request) -> Answer:
        return self._exchange(request) if request.path == "/v1/token" else super().answer(request)

    def _exchange(self, request: Request) -> Answer:
        member = self.federation.member(request.body.decode(), self.project)
        if not member:
            return Answer(400, {"error": "unauthorized_client", "error_description": "rejected by the condition"})
        issued = {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer"}
        token = self._new_token("somebody from outside")
        self.tokens = {**(self.tokens or {}), token: member}
        return Answer(200, {"access_token": token, "expires_in": 3600, **issued})

    def _token(self, request: Request) -> Answer:
        """Keys that were deleted buy nothing any more."""
        answer = super()._token(request)
        email = (self.tokens or {}).get(answer.body["access_token"], "")
        account = self.iam.accounts.get(email)
        if email != PERSON and (not account or not account.keys):
            return Answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        return answer


class _All(frozenset[str]):
    """An owner's rights."""

    def __contains__(self, right: object) -> bool:
        return True


def _new_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    return (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def main() -> None:
    """Until SIGINT or SIGTERM."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with LocalGoogleProject() as cloud:
        print(f"SKYLIFT_GOOGLE_ENDPOINT={cloud.url}", flush=True)
        over.wait()


if __name__ == "__main__":
    main()
