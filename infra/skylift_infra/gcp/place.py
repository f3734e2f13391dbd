"""Where runs run: the APIs, the repository for images, the pool's secret, and who is told that a run has ended."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from skylift.provisioner import PoolIdentity
from skylift_cloud_run.events import SINK_FILTER
from skylift_infra.gcp.errors import seen, telling
from skylift_infra.gcp.names import described, has_labels, is_described
from skylift_infra.gcp.project import Project
from skylift_infra.resources import Found, Made, Resource

UNTAGGED = {
    "untagged": {
        "id": "untagged",
        "action": "DELETE",
        "condition": {"tagState": "UNTAGGED", "olderThan": f"{14 * 86400}s"},
    }
}
"""Images that nothing names any more go after two weeks."""


class Api(Resource):
    """One of Google's APIs, switched on for the project. It stays on: others may use it by now."""

    kind = "API"
    verbs = ("Activate", "Activating")
    may_be_foreign = True
    finds_itself = True

    def __init__(self, project: Project, key: str, service: str, title: str) -> None:
        super().__init__(key, service)
        self.project, self.title = project, title

    @property
    def words(self) -> str:
        return f"{self.title} API"

    def _name(self) -> str:
        return f"{self.project.name}/services/{self.name}"

    def look(self, made: Made) -> Found | None:
        with telling(f"see whether {self.words} is on"):
            found = self.project.api("serviceusage").services().get(name=self._name()).execute()
        return Found({}, owned=False) if found.get("state") == "ENABLED" else None

    def create(self, made: Made) -> None:
        with telling(f"activate {self.words}"):
            self.project.api("serviceusage").services().enable(name=self._name(), body={}).execute()

    def delete(self, found: Found) -> None:
        raise NotImplementedError("never ours")


class Repository(Resource):
    """For images. One that is not ours is used as it is; ours is removed with its images."""

    kind = "Artifact Registry repository"
    may_be_foreign = True
    idle_cost = "$0.10 a GB of images a month beyond the first half"

    def __init__(self, project: Project, labels: Mapping[str, str], key: str, name: str) -> None:
        super().__init__(key, name, ("api-artifactregistry",))
        self.project, self.labels = project, labels
        self.full_name = f"{project.place}/repositories/{name}"
        self.uri = f"{project.region}-docker.pkg.dev/{project.id.replace(':', '/')}/{name}"

    def look(self, made: Made) -> Found | None:
        found = seen(f"read the repository {self.name}", self._repositories().get(name=self.full_name))
        if not found:
            return None
        owned = has_labels(found.get("labels"), self.labels)
        right = found.get("cleanupPolicies") == UNTAGGED and not found.get("cleanupPolicyDryRun")
        differences = () if right or not owned else ("how long untagged images are kept",)
        return Found({"uri": self.uri}, owned, differences)

    def create(self, made: Made) -> None:
        body = {
            "format": "DOCKER",
            "labels": dict(self.labels),
            "description": "Images for a Skylift work pool",
            "cleanupPolicies": UNTAGGED,
        }
        with telling(f"create the repository {self.name}", "ALREADY_EXISTS"):
            self._repositories().create(parent=self.project.place, repositoryId=self.name, body=body).execute()

    def mend(self, made: Made, found: Found) -> None:
        body = {"name": self.full_name, "cleanupPolicies": UNTAGGED, "cleanupPolicyDryRun": False}
        with telling(f"say how long {self.name} keeps untagged images"):
            self._repositories().patch(
                name=self.full_name, updateMask="cleanupPolicies,cleanupPolicyDryRun", body=body
            ).execute()

    def delete(self, found: Found) -> None:
        with telling(f"delete the repository {self.name}", "NOT_FOUND"):
            self._repositories().delete(name=self.full_name).execute()

    def _repositories(self) -> Any:
        return self.project.api("artifactregistry").projects().locations().repositories()


class PoolSecret(Resource):
    """What the pool's containers show at their admission, beside the nonce."""

    kind = "secret"
    idle_cost = "$0.06 a month"

    def __init__(self, project: Project, labels: Mapping[str, str], key: str, name: str) -> None:
        super().__init__(key, name, ("api-secretmanager",))
        self.project, self.labels = project, labels
        self.full_name = f"{project.name}/secrets/{name}"

    def look(self, made: Made) -> Found | None:
        found = seen(f"read the secret {self.name}", self._secrets().get(name=self.full_name))
        if not found:
            return None
        if not has_labels(found.get("labels"), self.labels):
            return Found({}, owned=False)
        # FAILED_PRECONDITION: its latest version is disabled or destroyed.
        request = self._secrets().versions().access(name=f"{self.full_name}/versions/latest")
        value = seen(f"read the value of the secret {self.name}", request, "FAILED_PRECONDITION")
        if not value:
            return Found({"name": self.full_name}, True, ("it has no value",))
        plain = base64.b64decode(value["payload"]["data"])
        return Found({"name": self.full_name, "sha256": hashlib.sha256(plain).hexdigest()})

    def create(self, made: Made) -> None:
        body = {"replication": {"automatic": {}}, "labels": dict(self.labels)}
        with telling(f"create the secret {self.name}", "ALREADY_EXISTS"):
            self._secrets().create(parent=self.project.name, secretId=self.name, body=body).execute()
        self.mend(made, Found({}))

    def mend(self, made: Made, found: Found) -> None:
        value = base64.b64encode(secrets.token_urlsafe(32).encode()).decode()
        with telling(f"give the secret {self.name} a value"):
            self._secrets().addVersion(parent=self.full_name, body={"payload": {"data": value}}).execute()

    def delete(self, found: Found) -> None:
        with telling(f"delete the secret {self.name}", "NOT_FOUND"):
            self._secrets().delete(name=self.full_name).execute()

    def _secrets(self) -> Any:
        return self.project.api("secretmanager").projects().secrets()


class Topic(Resource):
    """Where it is told that a run has ended. One that is not ours is used as it is."""

    kind = "Pub/Sub topic"
    may_be_foreign = True

    def __init__(self, project: Project, labels: Mapping[str, str], key: str, name: str) -> None:
        """`name`: `projects/P/topics/T`."""
        super().__init__(key, name, ("api-pubsub",))
        self.project, self.labels = project, labels

    def look(self, made: Made) -> Found | None:
        found = seen(f"read the topic {self.name}", self._topics().get(topic=self.name))
        return Found({"name": self.name}, has_labels(found.get("labels"), self.labels)) if found else None

    def create(self, made: Made) -> None:
        with telling(f"create the topic {self.name}", "ALREADY_EXISTS"):
            self._topics().create(name=self.name, body={"labels": dict(self.labels)}).execute()

    def delete(self, found: Found) -> None:
        with telling(f"delete the topic {self.name}", "NOT_FOUND"):
            self._topics().delete(topic=self.name).execute()

    def _topics(self) -> Any:
        return self.project.api("pubsub").projects().topics()


class Sink(Resource):
    """Sends to a topic what the audit log has of the ends of runs."""

    kind = "log sink"

    def __init__(self, project: Project, pool: PoolIdentity, key: str, name: str, topic: str) -> None:
        super().__init__(key, name, ("api-logging", "topic"))
        self.project, self.pool, self.topic = project, pool, topic
        self.full_name = f"{project.name}/sinks/{name}"
        self.wanted = {
            "destination": f"pubsub.googleapis.com/{topic}",
            "filter": f'{SINK_FILTER} AND resource.labels.location="{project.region}"',
        }

    def look(self, made: Made) -> Found | None:
        found = seen(f"read the log sink {self.name}", self._sinks().get(sinkName=self.full_name))
        if not found:
            return None
        words = {"destination": "whom it tells", "filter": "what it tells"}
        differences = [words[field] for field, value in self.wanted.items() if found.get(field) != value]
        differences += ["it is disabled"] if found.get("disabled") else []
        owned = is_described(found.get("description"), self.pool)
        return Found({"writer": found["writerIdentity"]}, owned, tuple(differences))

    def create(self, made: Made) -> None:
        body = {"name": self.name, "description": described(self.pool, "Ends of runs"), **self.wanted}
        with telling(f"create the log sink {self.name}", "ALREADY_EXISTS"):
            self._sinks().create(parent=self.project.name, uniqueWriterIdentity=True, body=body).execute()

    def mend(self, made: Made, found: Found) -> None:
        body = {"name": self.name, "disabled": False, **self.wanted}
        with telling(f"correct the log sink {self.name}"):
            self._sinks().patch(
                sinkName=self.full_name,
                uniqueWriterIdentity=True,
                updateMask="destination,filter,disabled",
                body=body,
            ).execute()

    def delete(self, found: Found) -> None:
        with telling(f"delete the log sink {self.name}", "NOT_FOUND"):
            self._sinks().delete(sinkName=self.full_name).execute()

    def _sinks(self) -> Any:
        return self.project.api("logging").projects().sinks()
