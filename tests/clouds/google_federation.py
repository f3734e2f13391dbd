"""Workload identity pools of the local Google, and its token service for those whom AWS or an OpenID
provider vouches for."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, unquote

from google.auth import jwt
from google.auth.exceptions import GoogleAuthError

from tests.clouds.google_iam import exists, not_found

Params = dict[str, str]


class Federation:
    """Of one project. What is deleted can be had back, and keeps its name meanwhile."""

    def __init__(self) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        """Pools and their providers, by full name."""
        self.aws: dict[str, str] = {}
        """Roles in AWS, as `arn:aws:sts::…:assumed-role/…`, by the access keys of their sessions."""
        self.issuers: dict[str, bytes] = {}
        """Public keys of OpenID providers, in place of those that they publish."""

    def active(self) -> list[str]:
        return sorted(name for name, each in self.all.items() if each["state"] == "ACTIVE")

    def member(self, form_body: str, project: str) -> str | None:
        """Who shows this token (RFC 8693), as IAM policies name it; None where it is not let in."""
        form = {name: values[0] for name, values in parse_qs(form_body).items()}
        audience = form["audience"].removeprefix("//")
        identities = audience.partition("/providers/")[0]
        name = audience.removeprefix("iam.googleapis.com/").replace("projects/1/", f"projects/{project}/")
        held = self.all.get(name, {"state": "DELETED"})
        if held["state"] != "ACTIVE":
            return None
        if form["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt":
            subject = self._subject(form["subject_token"], held.get("oidc") or {})
            let_in = subject and held["attributeCondition"] == f"assertion.sub == '{subject}'"
            return f"principal://{identities}/subject/{subject}" if let_in else None
        role = self._role(form["subject_token"])
        let_in = "aws" in held and held["attributeCondition"] == f"attribute.aws_role == '{role}'"
        return f"principalSet://{identities}/attribute.aws_role/{role}" if let_in else None

    def _role(self, token: str) -> str:
        """That AWS has signed it is taken for granted."""
        headers = {each["key"].lower(): each["value"] for each in json.loads(unquote(token))["headers"]}
        key = headers["authorization"].partition("Credential=")[2].partition("/")[0]
        return self.aws.get(key, "")

    def _subject(self, token: str, oidc: dict[str, Any]) -> str | None:
        """Of a token that an issuer that is trusted has signed, for an audience that is."""
        for issuer, key in self.issuers.items():
            try:
                claims = jwt.decode(token, certs=key, audience=oidc.get("allowedAudiences"))
            except (ValueError, GoogleAuthError):
                continue
            if claims["iss"].rstrip("/") == issuer.rstrip("/") == str(oidc.get("issuerUri")).rstrip("/"):
                return str(claims["sub"])
        return None

    def create(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        pool, provider = query.get("workloadIdentityPoolId"), query.get("workloadIdentityPoolProviderId")
        name = f"{params['parent']}/" + (f"workloadIdentityPools/{pool}" if pool else f"providers/{provider}")
        if name in self.all:
            raise exists("Requested entity")
        self.all[name] = {**body, "name": name, "state": "ACTIVE"}
        return {"name": f"{name}/operations/1"}

    def get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        if params["name"] not in self.all:
            raise not_found("Requested entity")
        return self.all[params["name"]]

    def patch(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        self.get(params, query, body).update(body)
        return {"name": f"{params['name']}/operations/2"}

    def delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        self.get(params, query, body)["state"] = "DELETED"
        return {"name": f"{params['name']}/operations/3"}

    def undelete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        self.get(params, query, body)["state"] = "ACTIVE"
        return {"name": f"{params['name']}/operations/4"}
