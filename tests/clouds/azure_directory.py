"""The local Azure's directory: applications, their principals and secrets, as Microsoft Graph shows them, and who may
sign in as whom.

Semantics from Graph's reference (v1.0): an application is created or updated under its `uniqueName`, deleted ones
stay in a bin with their names until they are deleted for good, secrets are told once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.clouds.azure_login import Login
from tests.clouds.http_cloud import Answer, Request

V1 = r"/v1\.0"
APPLICATION = rf"{V1}/applications/(?P<id>[0-9a-f-]+)"
ROUTES = tuple(
    (method, re.compile(pattern), operation)
    for method, pattern, operation in (
        ("GET", rf"{V1}/applications\(uniqueName='(?P<name>[^']+)'\)", "Application_Get"),
        ("PATCH", rf"{V1}/applications\(uniqueName='(?P<name>[^']+)'\)", "Application_Upsert"),
        ("GET", APPLICATION, "Application_GetById"),
        ("DELETE", APPLICATION, "Application_Delete"),
        ("POST", rf"{APPLICATION}/addPassword", "Application_AddPassword"),
        ("POST", rf"{APPLICATION}/removePassword", "Application_RemovePassword"),
        ("GET", rf"{V1}/directory/deletedItems/microsoft\.graph\.application", "DeletedItems_List"),
        ("DELETE", rf"{V1}/directory/deletedItems/(?P<id>[0-9a-f-]+)", "DeletedItems_Delete"),
        ("GET", rf"{V1}/servicePrincipals\(appId='(?P<client>[^']+)'\)", "ServicePrincipal_Get"),
        ("PATCH", rf"{V1}/servicePrincipals\(appId='(?P<client>[^']+)'\)", "ServicePrincipal_Upsert"),
        ("DELETE", rf"{V1}/servicePrincipals\(appId='(?P<client>[^']+)'\)", "ServicePrincipal_Delete"),
    )
)
WRITABLE = {"displayName", "signInAudience", "tags", "notes"}


class GraphError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code

    def answer(self) -> Answer:
        return Answer(self.status, {"error": {"code": self.code, "message": str(self)}})


def absent(what: str) -> GraphError:
    return GraphError(404, "Request_ResourceNotFound", f"Resource '{what}' does not exist.")


@dataclass
class Directory:
    """One tenant's."""

    applications: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id."""
    bin: dict[str, dict[str, Any]] = field(default_factory=dict)
    principals: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By client id."""
    secrets: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Client and text, by key id."""
    lag: int = 0
    """How often a new application is not known where it is asked for."""
    denied: set[str] = field(default_factory=set)
    """Operations that nobody may do."""
    _unknown: dict[str, int] = field(default_factory=dict)

    def do(self, operation: str, found: Mapping[str, str], request: Request) -> Answer:
        if operation in self.denied:
            raise GraphError(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
        body = request.json() if request.body else {}
        handlers: dict[str, Callable[[], Answer]] = {
            "Application_Get": lambda: Answer(body=self._named(found["name"])),
            "Application_Upsert": lambda: self._upsert(found["name"], body, request),
            "Application_GetById": lambda: Answer(body=self._by_id(found["id"])),
            "Application_Delete": lambda: self._delete(found["id"]),
            "Application_AddPassword": lambda: self._add_password(found["id"], body),
            "Application_RemovePassword": lambda: self._remove_password(found["id"], body),
            "DeletedItems_List": lambda: Answer(body={"value": list(self.bin.values())}),
            "DeletedItems_Delete": lambda: self._purge(found["id"]),
            "ServicePrincipal_Get": lambda: Answer(body=self._principal(found["client"])),
            "ServicePrincipal_Upsert": lambda: self._upsert_principal(found["client"], body),
            "ServicePrincipal_Delete": lambda: self._delete_principal(found["client"]),
        }
        return handlers[operation]()

    def client_with(self, client: str, secret: str) -> bool:
        """Whether this is a secret of this application's, and somebody can be signed in as it."""
        return client in self.principals and (client, secret) in self.secrets.values()

    def _named(self, name: str) -> dict[str, Any]:
        for each in self.applications.values():
            if each["uniqueName"] == name and self._is_known(each["id"]):
                return each
        raise absent(name)

    def _is_known(self, id_: str) -> bool:
        self._unknown[id_] = self._unknown.get(id_, self.lag) - 1
        return self._unknown[id_] < 0

    def _by_id(self, id_: str) -> dict[str, Any]:
        if id_ not in self.applications:
            raise absent(id_)
        return self.applications[id_]

    def _upsert(self, name: str, body: Mapping[str, Any], request: Request) -> Answer:
        if body.keys() - WRITABLE:
            raise GraphError(400, "Request_BadRequest", f"Invalid property '{(body.keys() - WRITABLE).pop()}'.")
        for each in self.applications.values():
            if each["uniqueName"] == name:
                each.update(body)
                return Answer(204, b"")
        if "create-if-missing" not in request.headers.get("prefer", ""):
            raise absent(name)
        if any(each["uniqueName"] == name for each in self.bin.values()):
            raise GraphError(400, "Request_BadRequest", "Another object with the same value for uniqueName exists.")
        made = {
            "id": str(uuid4()),
            "appId": str(uuid4()),
            "uniqueName": name,
            "passwordCredentials": [],
            "tags": [],
            **body,
        }
        self.applications[made["id"]] = made
        return Answer(201, made)

    def _delete(self, id_: str) -> Answer:
        gone = self._by_id(id_)
        self.bin[id_] = self.applications.pop(id_)
        self.principals.pop(gone["appId"], None)
        return Answer(204, b"")

    def _purge(self, id_: str) -> Answer:
        if id_ not in self.bin:
            raise absent(id_)
        gone = self.bin.pop(id_)
        self.secrets = {key: each for key, each in self.secrets.items() if each[0] != gone["appId"]}
        return Answer(204, b"")

    def _add_password(self, id_: str, body: Mapping[str, Any]) -> Answer:
        application = self._by_id(id_)
        key, text = str(uuid4()), f"told-once-{uuid4()}"
        shown = {"keyId": key, **body["passwordCredential"]}
        application["passwordCredentials"].append(shown)
        self.secrets[key] = (application["appId"], text)
        return Answer(body={**shown, "secretText": text})

    def _remove_password(self, id_: str, body: Mapping[str, Any]) -> Answer:
        application = self._by_id(id_)
        kept = [each for each in application["passwordCredentials"] if each["keyId"] != body["keyId"]]
        if len(kept) == len(application["passwordCredentials"]):
            raise GraphError(400, "BadRequest", "No password credential found with keyId.")
        application["passwordCredentials"] = kept
        del self.secrets[body["keyId"]]
        return Answer(204, b"")

    def _principal(self, client: str) -> dict[str, Any]:
        if client not in self.principals:
            raise absent(client)
        return self.principals[client]

    def _upsert_principal(self, client: str, body: Mapping[str, Any]) -> Answer:
        if client in self.principals:
            return Answer(204, b"")
        if client not in {each["appId"] for each in self.applications.values() if self._is_known(client)}:
            raise GraphError(400, "Request_BadRequest", f"The appId '{client}' does not reference a valid application.")
        self.principals[client] = {"id": str(uuid4()), "appId": client, **body}
        return Answer(201, self.principals[client])

    def _delete_principal(self, client: str) -> Answer:
        self._principal(client)
        del self.principals[client]
        return Answer(204, b"")


class DirectoryLogin(Login):
    """Also knows the directory's applications by their secrets, and identities by the tokens that they trust: a token
    here is its `issuer|subject`."""

    def __init__(self, directory: Directory, trusts: Callable[[str, str], bool]) -> None:
        super().__init__()
        self.directory, self.trusts = directory, trusts

    def _token(self, form: dict[str, str]) -> Answer:
        client = form.get("client_id", "")
        by_secret = self.directory.client_with(client, form.get("client_secret", ""))
        if by_secret or self.trusts(client, form.get("client_assertion", "")):
            how = "secret" if by_secret else "federated"
            return Answer(body={"token_type": "Bearer", "expires_in": 3600, "access_token": self.grant(client, how)})
        return super()._token(form)
