"""Secret Manager of the local Google: secrets with versions, and who may read them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.clouds.google_errors import ApiError
from tests.clouds.google_execution import time_of

ACCESSOR = "roles/secretmanager.secretAccessor"
Params = dict[str, str]


@dataclass
class Secret:
    """`readers`: members that may read it; None: everybody, for secrets that a test made."""

    name: str
    body: dict[str, Any]
    readers: set[str] | None
    versions: list[str] = field(default_factory=list)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Secrets:
    """Of all projects."""

    def __init__(self) -> None:
        self.all: dict[str, Secret] = {}

    def put(self, project: str, name: str, value: str) -> None:
        """A secret that a person made, open to every service account; or another version of it."""
        full = f"projects/{project}/secrets/{name}"
        self.all.setdefault(full, Secret(full, {}, None)).versions.append(value)

    def resolve(self, project: str, service_account: str | None, reference: Mapping[str, Any]) -> str:
        """The value that a container gets. Raises `LookupError`, in Cloud Run's words."""
        name, version = reference["secret"], reference.get("version", "latest")
        full = name if name.startswith("projects/") else f"projects/{project}/secrets/{name}"
        secret = self.all.get(full)
        index = len(secret.versions) if secret and version == "latest" else int(version) if version.isdigit() else 0
        if not secret or not 0 < index <= len(secret.versions):
            raise LookupError(f"Secret {full}/versions/{version} was not found")
        if secret.readers is not None and f"serviceAccount:{service_account}" not in secret.readers:
            raise LookupError(
                f"Permission denied on secret: {full}/versions/{version} for Revision service account "
                f"{service_account}. The service account used must be granted the 'Secret Manager Secret Accessor' role"
            )
        return secret.versions[index - 1]

    def secrets_create(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        name = f"{params['parent']}/secrets/{query['secretId']}"
        if name in self.all:
            raise ApiError(409, "ALREADY_EXISTS", f"Secret [{name}] already exists.")
        if not body.get("replication"):
            raise ApiError(400, "INVALID_ARGUMENT", "Secret.replication must be provided.")
        self.all[name] = Secret(name, body, set())
        return self._render(self.all[name])

    def secrets_add_version(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        secret = self._secret(params["parent"])
        secret.versions.append(base64.b64decode(body["payload"]["data"]).decode())
        return {"name": f"{secret.name}/versions/{len(secret.versions)}", "state": "ENABLED"}

    def secrets_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return self._render(self._secret(params["name"]))

    def versions_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        name, _, version = params["name"].partition("/versions/")
        secret = self._secret(name)
        index = len(secret.versions) if version == "latest" else int(version)
        if not 0 < index <= len(secret.versions):
            raise ApiError(404, "NOT_FOUND", f"Secret Version [{params['name']}] not found.")
        return {"name": f"{name}/versions/{index}", "state": "ENABLED"}

    def secrets_list(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        wanted = query.get("filter", "")
        found = [each for name, each in self.all.items() if name.startswith(f"{params['parent']}/secrets/")]
        if wanted:
            key, _, value = wanted.removeprefix("labels.").partition("=")
            found = [each for each in found if each.body.get("labels", {}).get(key) == value]
        return {"secrets": [self._render(each) for each in found], "totalSize": len(found)}

    def secrets_set_iam_policy(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        secret = self._secret(params["resource"])
        bindings = body["policy"].get("bindings", [])
        secret.readers = {member for each in bindings if each["role"] == ACCESSOR for member in each["members"]}
        return {**body["policy"], "etag": "BwX0"}

    def secrets_delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        del self.all[self._secret(params["name"]).name]
        return {}

    def _secret(self, name: str) -> Secret:
        if name not in self.all:
            raise ApiError(404, "NOT_FOUND", f"Secret [{name}] not found.")
        return self.all[name]

    def _render(self, secret: Secret) -> dict[str, Any]:
        return {**secret.body, "name": secret.name, "createTime": time_of(secret.created_at)}
