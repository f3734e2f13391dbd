"""Container groups of the local Azure: what runs for them, what Azure tells of them, and what it keeps to itself."""

from __future__ import annotations

import copy
import itertools
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.clouds.containers import Container, Containers

RUNNING_LOG, STOPPED_LOG, STOPPED_LINES = 4 * 1024 * 1024, 16 * 1024, 1000
_numbers = itertools.count(1)


@dataclass
class Behaviour:
    """How the local Azure is to be; seconds."""

    provisioning: float = 0.05
    """From the PUT to the container's start; half of it the group is Pending, then Creating."""
    deleting: float = 0.05
    grace: float = 0.5
    """Between a stop's TERM and KILL."""
    unpullable: tuple[str, ...] = ("registry.example/not-there:1",)
    """Images that are accepted and can then not be pulled."""
    inaccessible: tuple[str, ...] = ("registry.example/refused:1",)
    """Images that are refused at once."""
    full: tuple[str, ...] = ()
    """Locations that accept a group and then have no room for it."""
    lists_views: bool = False
    """Whether lists hold instance views; the real one's do not."""
    refuses_stop_while_creating: bool = False
    forgets_when_stopped: bool = False
    """Whether a stopped group's containers have no state left."""


@dataclass
class Group:
    """One container group. Its lock is the cloud's."""

    id: str
    body: dict[str, Any]
    behaviour: Behaviour
    containers: Containers
    lock: threading.RLock
    put_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    container: Container | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    starts: int = 0
    stopped: bool = False
    deleted_at: datetime | None = None
    failed: bool = False

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def ours(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["properties"]["containers"][0]
        return found

    def begin(self) -> None:
        """Of a new group, and of one that was put again: that starts its container anew."""
        self.stopped = self.failed = False
        self.put_at = datetime.now(UTC)
        self.events = []
        if self.container:
            end(self.container, 0)
            self.container = None
        timer = threading.Timer(self.behaviour.provisioning, self._bring_up)
        timer.daemon = True
        timer.start()

    def _bring_up(self) -> None:
        with self.lock:
            if self.stopped or self.deleted_at or self.container:
                return
            image = self.ours["properties"]["image"]
            if self.body["location"] in self.behaviour.full:
                self.failed = True
                asked = self.ours["properties"]["resources"]["requests"]
                self.tell(
                    "InsufficientCapacity.",
                    f"The requested resource is not available in the location '{self.body['location']}' at this "
                    f"moment. Please retry with a different resource request or in another location. Requested: "
                    f"'{asked['cpu']}' CPU '{asked['memoryInGB']}' GB memory 'Linux' OS",
                )
            elif image in self.behaviour.unpullable:
                self.tell("Pulling", f'pulling image "{image}"', "Normal")
                self.tell("Failed", f'Failed to pull image "{image}": manifest for {image} not found: manifest unknown')
            else:
                self.tell("Pulling", f'pulling image "{image}"', "Normal")
                self.tell("Pulled", f'Successfully pulled image "{image}"', "Normal")
                self.tell("Started", "Started container", "Normal")
                self._start()

    def _start(self) -> None:
        properties = self.ours["properties"]
        env = {
            each["name"]: each.get("secureValue", each.get("value"))
            for each in properties.get("environmentVariables") or []
        }
        self.starts += 1
        self.container = self.containers.start(
            f"{self.name}#{next(_numbers)}",
            properties.get("command") or ["true"],
            env,
            memory=int(properties["resources"]["requests"]["memoryInGB"] * 1e9),
        )

    def tell(self, name: str, message: str, kind: str = "Warning", count: int = 1) -> None:
        at = _text(datetime.now(UTC))
        told = {
            "count": count,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "name": name,
            "message": message,
            "type": kind,
        }
        self.events.append(told)

    def stop(self) -> None:
        """Of one that has ended by itself it changes nothing, as Microsoft's page on it says."""
        if self.container and not self.container.is_alive and not self.stopped:
            return
        self.stopped = True
        if self.container:
            end(self.container, self.behaviour.grace)

    def delete(self) -> None:
        self.deleted_at = self.deleted_at or datetime.now(UTC)
        if self.container:
            end(self.container, 0)

    @property
    def is_gone(self) -> bool:
        if not self.deleted_at or (self.container and self.container.is_alive):
            return False
        return (datetime.now(UTC) - self.deleted_at).total_seconds() > self.behaviour.deleting

    @property
    def is_creating(self) -> bool:
        return not (self.container or self.stopped or self.failed)

    def provisioning_state(self) -> str:
        if self.deleted_at:
            return "Deleting"
        if self.failed:
            return "Failed"
        if self.container or self.stopped:
            return "Succeeded"
        waited = (datetime.now(UTC) - self.put_at).total_seconds()
        return "Pending" if waited < self.behaviour.provisioning / 2 else "Creating"

    def state(self) -> str:
        container = self.container
        if self.stopped and not (container and container.is_alive):
            return "Stopped"
        if not container or is_coming_up(container):
            return "Pending"
        if container.is_alive:
            return "Running"
        return "Failed" if container.exit_code else "Succeeded"

    def shown(self, *, with_views: bool) -> dict[str, Any]:
        """As an answer: nothing secret, and what Azure adds."""
        found: dict[str, Any] = copy.deepcopy(self.body)
        take_secrets(found)
        found |= {"id": self.id, "name": self.name, "type": "Microsoft.ContainerInstance/containerGroups"}
        properties = found["properties"]
        properties["provisioningState"] = self.provisioning_state()
        if not with_views:
            return found
        properties["instanceView"] = {"events": self.events if not self.container else [], "state": self.state()}
        first, *others = properties["containers"]
        view = {"restartCount": 0, "events": self.events if self.container else []}
        first["properties"]["instanceView"] = view | {"currentState": self.current_state()}
        for each in others:
            each["properties"]["instanceView"] = {"restartCount": 0, "currentState": {"state": "Waiting"}}
        return found

    def current_state(self) -> dict[str, Any]:
        container = self.container
        if (
            not container
            or not container.started_at
            or is_coming_up(container)
            or (self.stopped and self.behaviour.forgets_when_stopped)
        ):
            reason = self.events[-1]["name"] if self.events else ""
            return {"state": "Waiting", "detailStatus": "" if self.stopped else reason}
        started = {"startTime": _text(container.started_at)}
        if container.is_alive:
            return {"state": "Running", "detailStatus": "", **started}
        assert container.ended_at
        detail = "OOMKilled" if container.out_of_memory else "Error" if container.exit_code else "Completed"
        ended = {"exitCode": container.exit_code, "finishTime": _text(container.ended_at)}
        return {"state": "Terminated", "detailStatus": detail, **started, **ended}

    def log(self, tail: int | None, *, timestamps: bool) -> str:
        """What is kept of it, the last line of a living container included where it is open."""
        if not self.container:
            return ""
        lines = [
            (f"{at.strftime('%Y-%m-%dT%H:%M:%S.%f')}000Z " if timestamps else "") + text
            for at, text in [*self.container.lines]
        ]
        alive = self.container.is_alive
        if not alive:
            lines = lines[-STOPPED_LINES:]
        if tail is not None:
            lines = lines[-tail:]
        text = "".join(f"{line}\n" for line in lines)
        return text[-(RUNNING_LOG if alive else STOPPED_LOG) :]


def is_coming_up(container: Container) -> bool:
    """Whether its process has yet to begin."""
    return container.is_alive and container.process is None


def end(container: Container, grace: float) -> None:
    """Stop it; one that is coming up, as soon as there is something to stop. Returns at once."""

    def wait_and_stop() -> None:
        while is_coming_up(container):
            time.sleep(0.005)
        container.stop(grace)

    if is_coming_up(container):
        threading.Thread(target=wait_and_stop, daemon=True).start()
    else:
        container.stop(grace)


def take_secrets(body: dict[str, Any]) -> dict[str, Any]:
    """Remove what Azure never shows again; what was removed, by where it stood."""
    taken: dict[str, Any] = {}

    def take(holder: Any, key: str, where: str) -> None:
        if isinstance(holder, dict) and key in holder:
            taken[where] = holder.pop(key)

    properties = body.get("properties") or {}
    for container in properties.get("containers") or []:
        for each in container["properties"].get("environmentVariables") or []:
            take(each, "secureValue", f"environmentVariables.{each['name']}")
    for each in properties.get("imageRegistryCredentials") or []:
        take(each, "password", f"imageRegistryCredentials.{each.get('server')}")
    for each in properties.get("volumes") or []:
        take(each, "secret", f"volumes.{each['name']}.secret")
        take(each.get("azureFile"), "storageAccountKey", f"volumes.{each['name']}.azureFile")
    take((properties.get("diagnostics") or {}).get("logAnalytics"), "workspaceKey", "logAnalytics.workspaceKey")
    return taken


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
