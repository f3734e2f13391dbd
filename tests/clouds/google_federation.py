"""Workload identity pools of the local Google, and its token service for those whom AWS vouches for."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.clouds.google_iam import exists, not_found

Params = dict[str, str]


class Federation:
    """Of one project. What is deleted can be had back, and keeps its name meanwhile."""

    def __init__(self) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        """Pools and their providers, by full name."""
        self.aws: dict[str, str] = {}
        """Roles in AWS, as `arn:aws:sts::…:assumed-role/…`, by the access keys of their sessions."""

    def active(self) -> list[str]:
        return sorted(name for name, each in self.all.items() if each["state"] == "ACTIVE")

    def member(self, form_body: str, project: str) -> str | None:
        """Who shows this token (RFC 8693), as IAM policies name it; None where it is not let in. That AWS has signed it
        is taken for granted."""
        form = {name: values[0] for name, values in parse_qs(form_body).items()}
        signed = json.loads(unquote(form["subject_token"]))
        headers = {each["key"].lower(): each["value"] for each in signed["headers"]}
        key = headers["authorization"].partition("Credential=")[2].partition("/")[0]
        audience, role = form["audience"].removeprefix("//"), self.aws.get(key, "")
        name = audience.removeprefix("iam.googleapis.com/").replace("projects/1/", f"projects/{project}/")
        held = self.all.get(name, {"state": "DELETED"})
        if held["state"] != "ACTIVE" or held["attributeCondition"] != f"attribute.aws_role == '{role}'":
            return None
        return f"principalSet://{audience.partition('/providers/')[0]}/attribute.aws_role/{role}"

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
