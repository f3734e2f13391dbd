"""A local Azure: Resource Manager as far as container groups need it, which really runs their containers as processes.

    with LocalAzure() as cloud:
        cloud.url, cloud.login.authority, cloud.containers, cloud.journal, cloud.mischief, cloud.behaviour

`python -m tests.clouds.azure` starts one by itself and says how a service finds it.
"""

from __future__ import annotations

import copy
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from skylift_container_instance.permissions import PERMISSIONS
from tests.clouds.audit import AUDIT
from tests.clouds.azure_groups import Behaviour, Group, take_secrets
from tests.clouds.azure_login import CLIENT, CLIENT_SECRET, FEDERATED, TENANT, Login
from tests.clouds.azure_routes import operation_of
from tests.clouds.azure_schema import Invalid, check_group
from tests.clouds.containers import Containers
from tests.clouds.http_cloud import Answer, HttpCloud, Request
from tests.clouds.journal import Call, Journal
from tests.clouds.mischief import AnswerLost, Kind, Mischief, Refused

SUBSCRIPTION, RESOURCE_GROUP, LOCATION = "33333333-3333-3333-3333-333333333333", "flows", "westeurope"
API = "2023-05-01"
EVERYTHING = frozenset(each.action for each in PERMISSIONS)
CREATIONS = ((300, 3600.0), (100, 300.0))
"""The documented limits: creations, and the seconds that they are counted over."""


@dataclass(frozen=True, slots=True)
class Reply(Exception):  # noqa: N818 - an error's answer, thrown from anywhere
    status: int
    code: str
    message: str
    headers: Mapping[str, str] | None = None

    def answer(self) -> Answer:
        error = {"code": self.code, "message": self.message}
        return Answer(self.status, {"error": error}, self.headers or {})


class LocalAzure(HttpCloud):
    """One subscription with resource groups, for tokens of one tenant."""

    def __init__(self) -> None:
        super().__init__()
        self.login = Login()
        self.containers, self.journal, self.mischief = Containers(), Journal(), Mischief()
        self.behaviour = Behaviour()
        self.locations = {RESOURCE_GROUP: LOCATION}
        """Of the resource groups that there are."""
        self.permitted: set[str] = set(EVERYTHING)
        """Actions that whoever has a token may do."""
        self.resources: dict[str, dict[str, Any]] = {}
        """Others than container groups, by their ids in lower case: identities and subnets."""
        self.creations: tuple[tuple[int, float], ...] = CREATIONS
        self.usages = {"ContainerGroups": (0, 100), "StandardCores": (0, 100)}
        self.groups: dict[str, Group] = {}
        self._created: list[float] = []
        self._lock = threading.RLock()

    def __enter__(self) -> LocalAzure:
        self.login.__enter__()
        super().__enter__()
        return self

    def close(self) -> None:
        self.mischief.behave()
        super().close()
        AUDIT.know(CLIENT_SECRET, FEDERATED, *self.login.granted)
        AUDIT.closes("Azure", self.left())
        self.login.close()
        with self._lock:
            for each in self.groups.values():
                each.delete()  # so that none of them starts any more
        self.containers.close()

    def environment(self) -> dict[str, str]:
        """For whoever is to find it: the operator's variables."""
        return {
            "SKYLIFT_AZURE_ENDPOINT": self.url,
            "SKYLIFT_AZURE_AUTHORITY": self.login.authority,
            "REQUESTS_CA_BUNDLE": self.login.certificate,
        }

    def variables(self) -> dict[str, Any]:
        """Job variables of a pool that is served here."""
        credentials = {"client_id": CLIENT, "tenant_id": TENANT, "client_secret": CLIENT_SECRET}
        return {
            "subscription_id": SUBSCRIPTION,
            "resource_group_name": RESOURCE_GROUP,
            "aci_credentials": credentials,
        }

    def left(self) -> list[str]:
        """Ids of the container groups that there are."""
        with self._lock:
            self._forget_gone()
            return [each.id for each in self.groups.values()]

    def group_of(self, attempt_id: Any) -> Group:
        with self._lock:
            wanted = str(attempt_id)
            return next(each for each in self.groups.values() if each.body["tags"].get("skylift-attempt") == wanted)

    # -- answering ----------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        operation, found = operation_of(request)
        body = request.json() if request.method in ("PUT", "PATCH") else None
        secrets = take_secrets(copied := copy.deepcopy(body)) if body else None
        sent = {"path": request.path, "query": dict(request.query), "body": copied if body else None}
        self.journal.note(Call(operation, sent, secrets))
        answer = self._answer(request, operation, found, body)
        try:
            self.mischief.after(operation)
        except AnswerLost:
            self.journal.answered(operation, "lost")
            raise
        outcome = "ok" if answer.status < 400 else answer.body["error"]["code"]
        self.journal.answered(operation, outcome)
        headers = {"x-ms-request-id": str(uuid4()), **answer.headers}
        return Answer(answer.status, b"" if answer.status == 204 else answer.body, headers)

    def _answer(self, request: Request, operation: str, found: Mapping[str, str], body: Any) -> Answer:
        try:
            self._admit(request, operation, body)
            self.mischief.before(operation)
            return self._do(operation, found, request, body)
        except Refused as refused:
            return _refusal(refused.kind, operation, request.path).answer()
        except Reply as reply:
            return reply.answer()
        except Invalid as invalid:
            return Reply(400, invalid.code, str(invalid)).answer()

    def _admit(self, request: Request, operation: str, body: Any) -> None:
        """Whoever asks has a token of ours, and the rights that the operation needs."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.login.granted:
            raise Reply(401, "InvalidAuthenticationToken", "The access token is invalid.")
        needed = [each.action for each in PERMISSIONS if operation in each.calls and _is_needed(each.use, body)]
        for action in needed or ["nothing that is declared"]:
            if action not in self.permitted:
                raise Reply(403, *_denied(action, request.path))

    def _do(self, operation: str, found: Mapping[str, str], request: Request, body: Any) -> Answer:
        if found.get("sub") != SUBSCRIPTION:
            raise Reply(404, "SubscriptionNotFound", f"The subscription '{found.get('sub')}' could not be found.")
        resource_group = found.get("rg")
        if resource_group is not None and resource_group.lower() not in self.locations:
            raise Reply(404, "ResourceGroupNotFound", f"Resource group '{resource_group}' could not be found.")
        with self._lock:
            self._forget_gone()
            handlers: dict[str, Callable[[], Answer]] = {
                "ContainerGroups_CreateOrUpdate": lambda: self._put(request, found, body),
                "ContainerGroups_Get": lambda: Answer(body=self._group(request.path).shown(with_views=True)),
                "ContainerGroups_Delete": lambda: self._delete(request.path),
                "ContainerGroups_Stop": lambda: self._stop(request.path),
                "Containers_ListLogs": lambda: self._log(request, found),
                "ContainerGroups_ListByResourceGroup": lambda: self._list(request),
                "Location_ListUsage": self._usage,
                "ResourceGroups_Get": lambda: self._resource_group(request.path, found),
                "Permissions_ListForResourceGroup": lambda: Answer(
                    body={"value": [{"actions": sorted(self.permitted), "notActions": []}]}
                ),
            }
            return handlers.get(operation, lambda: self._resource(request.path))()

    def _put(self, request: Request, found: Mapping[str, str], body: Any) -> Answer:
        check_group(found["name"], body)
        images = [each["properties"]["image"] for each in body["properties"]["containers"]]
        for image in images:
            if image in self.behaviour.inaccessible:
                words = f"The image '{image}' in container group '{found['name']}' is not accessible."
                raise Reply(400, "InaccessibleImage", f"{words} Please check the image and registry credential.")
        self._count_creation()
        key = request.path.lower()
        known = self.groups.get(key)
        if known and (known.is_creating or known.deleted_at):
            words = f"The container group '{found['name']}' is still transitioning, please retry later."
            raise Reply(409, "ContainerGroupTransitioning", words)
        if known:
            known.body = body
        group = known or Group(request.path, body, self.behaviour, self.containers, self._lock)
        self.groups[key] = group
        group.begin()
        operation = f"{self.url}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerInstance/locations"
        headers = {"Azure-AsyncOperation": f"{operation}/{body['location']}/operations/{uuid4()}?api-version={API}"}
        return Answer(200 if known else 201, group.shown(with_views=False), headers)

    def _count_creation(self) -> None:
        now = time.monotonic()
        for most, window in self.creations:
            since = [each for each in self._created if each > now - window]
            if len(since) >= most:
                wait = max(1, round(since[-most] + window - now))
                words = (
                    f"Container group creations exceed {most} in {window:g} seconds in this subscription and region."
                )
                raise Reply(429, "TooManyRequests", words, {"Retry-After": str(wait)})
        self._created.append(now)

    def _group(self, path: str) -> Group:
        key = re.sub(r"/(stop|containers/.*)$", "", path, flags=re.IGNORECASE).lower()
        if key not in self.groups:
            name = key.rpartition("/")[2]
            words = f"The Resource 'Microsoft.ContainerInstance/containerGroups/{name}' was not found."
            raise Reply(404, "ResourceNotFound", words)
        return self.groups[key]

    def _delete(self, path: str) -> Answer:
        if path.lower() not in self.groups:
            return Answer(204)
        self.groups[path.lower()].delete()
        return Answer(202)

    def _stop(self, path: str) -> Answer:
        group = self._group(path)
        if group.is_creating and self.behaviour.refuses_stop_while_creating:
            words = f"The container group '{group.name}' is still transitioning, please retry later."
            raise Reply(409, "ContainerGroupTransitioning", words)
        group.stop()
        return Answer(204)

    def _log(self, request: Request, found: Mapping[str, str]) -> Answer:
        group = self._group(request.path)
        if found["container"] != group.ours["name"]:
            raise Reply(404, "ContainerNotFound", f"The container '{found['container']}' was not found.")
        if group.is_creating:
            words = f"The container group '{group.name}' deployment is not ready."
            raise Reply(409, "ContainerGroupDeploymentNotReady", words)
        tail = int(request.query["tail"]) if "tail" in request.query else None
        stamped = request.query.get("timestamps", "").lower() == "true"
        return Answer(body={"content": group.log(tail, timestamps=stamped)})

    def _list(self, request: Request) -> Answer:
        prefix = request.path.lower() + "/"
        shown = [
            each.shown(with_views=self.behaviour.lists_views)
            for key, each in sorted(self.groups.items())
            if key.startswith(prefix)
        ]
        start, size = int(request.query.get("$skiptoken", 0)), 5  # small pages, so that every test turns them
        answer: dict[str, Any] = {"value": shown[start : start + size]}
        if start + size < len(shown):
            answer["nextLink"] = f"{self.url}{request.path}?api-version={API}&%24skiptoken={start + size}"
        return Answer(body=answer)

    def _usage(self) -> Answer:
        counted = {"unit": "Count"}
        value = [
            {**counted, "name": {"value": name, "localizedValue": name}, "currentValue": used, "limit": limit}
            for name, (used, limit) in self.usages.items()
        ]
        return Answer(body={"value": value})

    def _resource_group(self, path: str, found: Mapping[str, str]) -> Answer:
        return Answer(body={"id": path, "name": found["rg"], "location": self.locations[found["rg"].lower()]})

    def _resource(self, path: str) -> Answer:
        if path.lower() not in self.resources:
            raise Reply(404, "ResourceNotFound", f"The Resource '{path}' was not found.")
        return Answer(body={"id": path, **self.resources[path.lower()]})

    def _forget_gone(self) -> None:
        self.groups = {key: each for key, each in self.groups.items() if not each.is_gone}


def _is_needed(use: str, body: Any) -> bool:
    if use == "identities":
        return bool(((body or {}).get("identity") or {}).get("userAssignedIdentities"))
    if use == "subnets":
        return bool(((body or {}).get("properties") or {}).get("subnetIds"))
    return True


def _denied(action: str, path: str) -> tuple[str, str]:
    linked = not action.startswith(
        ("Microsoft.ContainerInstance/", "Microsoft.Resources/", "Microsoft.Auth", "nothing")
    )
    kind = "LinkedAuthorizationFailed" if linked else "AuthorizationFailed"
    who = f"The client '{CLIENT}' with object id '{CLIENT}'"
    over = f"over scope '{path}' or the scope is invalid"
    return kind, f"{who} does not have authorization to perform action '{action}' {over}."


def _refusal(kind: Kind, operation: str, path: str) -> Reply:
    match kind:
        case "throttle":
            return Reply(429, "TooManyRequests", "The request is being throttled.", {"Retry-After": "7"})
        case "no_room":
            words = f"The requested resource is not available in the location '{LOCATION}' at this moment. Please retry"
            return Reply(
                409, "ServiceUnavailable", f"{words} with a different resource request or in another location."
            )
        case "deny":
            needed = next((each.action for each in PERMISSIONS if operation in each.calls), operation)
            return Reply(403, *_denied(needed, path))
        case _:
            return Reply(500, "InternalServerError", "Encountered an internal server error.")


def main() -> None:
    """Run until interrupted."""
    with LocalAzure() as cloud:
        for name, value in cloud.environment().items():
            print(f"export {name}={value}")
        print("# job variables:", json.dumps(cloud.variables()), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
