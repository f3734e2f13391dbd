"""What else a project of the local Google has: services that are on or off, repositories, topics and log sinks."""

from __future__ import annotations

from typing import Any

from tests.clouds.google_errors import ApiError
from tests.clouds.google_iam import Policies, exists, not_found

Params = dict[str, str]
ON_FROM_THE_START = {"serviceusage.googleapis.com", "cloudresourcemanager.googleapis.com", "oauth2.googleapis.com"}


def turned_off(service: str, project: str) -> ApiError:
    """As Google says it of an API that nobody has activated, or just now."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {"service": service, "consumer": project},
    }
    message = f"{service} API has not been used in project {project} before or it is disabled."
    return ApiError(403, "PERMISSION_DENIED", message, [info])


class Resources:
    """Of one project."""

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self.services: dict[str, int] = dict.fromkeys(ON_FROM_THE_START, 0)
        """Those that are on, and how many more calls do not know that yet."""
        self.on_after = 0
        self.repositories: dict[str, dict[str, Any]] = {}
        self.topics: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.sinks: dict[str, dict[str, Any]] = {}

    def check_service(self, service: str, project: str) -> None:
        """Raises `ApiError` (403)."""
        waits = self.services.get(service)
        if waits:
            self.services[service] = waits - 1
        if waits is None or waits:
            raise turned_off(service, project)

    def services_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        on = params["name"].rpartition("/")[2] in self.services
        return {"name": params["name"], "state": "ENABLED" if on else "DISABLED"}

    def services_enable(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        self.services.setdefault(params["name"].rpartition("/")[2], self.on_after)
        return {"name": "operations/done", "done": True}

    # -- Artifact Registry ---------------------------------------------------------------------------------------------

    def repositories_create(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        name = f"{params['parent']}/repositories/{query['repositoryId']}"
        if name in self.repositories:
            raise exists("the repository")
        self.repositories[name] = {**body, "name": name}
        return {"name": f"{params['parent']}/operations/x"}

    def repositories_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return _of(self.repositories, params["name"])

    def repositories_patch(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        found = _of(self.repositories, params["name"])
        for field in query["updateMask"].split(","):
            found.pop(field, None)
            found |= {field: body[field]} if body.get(field) else {}
        return found

    def repositories_delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        _of(self.repositories, params["name"])
        del self.repositories[params["name"]]
        return {"name": f"{params['name'].rpartition('/repositories')[0]}/operations/y"}

    # -- Pub/Sub -------------------------------------------------------------------------------------------------------

    def topics_create(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        if params["name"] in self.topics:
            raise exists("Resource")
        self.topics[params["name"]] = {**body, "name": params["name"]}
        return self.topics[params["name"]]

    def topics_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return _of(self.topics, params["topic"])

    def topics_delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        _of(self.topics, params["topic"])
        del self.topics[params["topic"]]
        for each in self.subscriptions.values():
            if each["topic"] == params["topic"]:
                each["topic"] = "_deleted-topic_"
        self.policies.all.pop(params["topic"], None)
        return {}

    def topic_get_policy(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        _of(self.topics, params["resource"])
        return self.policies.read(params["resource"])

    def topic_set_policy(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        _of(self.topics, params["resource"])
        return self.policies.write(params["resource"], body["policy"])

    def subscriptions_create(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        if params["name"] in self.subscriptions:
            raise exists("Resource")
        _of(self.topics, body["topic"])
        self.subscriptions[params["name"]] = {**body, "name": params["name"], "state": "ACTIVE"}
        return self.subscriptions[params["name"]]

    def subscriptions_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return _of(self.subscriptions, params["subscription"])

    def subscriptions_push(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        _of(self.subscriptions, params["subscription"])["pushConfig"] = body["pushConfig"]
        return {}

    def subscriptions_delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        _of(self.subscriptions, params["subscription"])
        del self.subscriptions[params["subscription"]]
        return {}

    # -- sinks ---------------------------------------------------------------------------------------------------------

    def sinks_create(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        name = f"{params['parent']}/sinks/{body['name']}"
        if name in self.sinks:
            raise exists(f"Sink {body['name']}")
        writer = "serviceAccount:service-1@gcp-sa-logging.iam.gserviceaccount.com"
        self.sinks[name] = {**body, "writerIdentity": writer}
        return self.sinks[name]

    def sinks_get(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        return _of(self.sinks, params["sinkName"])

    def sinks_patch(self, params: Params, query: Params, body: dict[str, Any]) -> dict[str, Any]:
        found = _of(self.sinks, params["sinkName"])
        found |= {field: body[field] for field in query["updateMask"].split(",") if field in body}
        return found

    def sinks_delete(self, params: Params, query: Params, body: Any) -> dict[str, Any]:
        _of(self.sinks, params["sinkName"])
        del self.sinks[params["sinkName"]]
        return {}


def _of(things: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in things:
        raise not_found(name)
    return things[name]
