"""The life of ECS's tasks: from RunTask to STOPPED, as local processes, with lines in CloudWatch Logs."""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.clouds.aws_backends import ACCOUNT, REGION, Backend
from tests.clouds.aws_rights import Right, Rights, of_start, of_stream
from tests.clouds.containers import IMAGE_PATH, Container, Containers
from tests.clouds.ecs_events import event_of
from tests.clouds.ecs_rules import is_fargate, providers_of

MISSING_IMAGE = "missing"
"""Images whose name holds this cannot be pulled."""
PHASE = 0.02
"""Seconds that a task stays in each of the phases before RUNNING."""


class NeverStartedError(Exception):
    """Why a container was not started, in ECS's words."""


@dataclass
class Task:
    """One task. `about` is what DescribeTasks shows."""

    about: dict[str, Any]
    definition: Mapping[str, Any]
    seen_from: float
    """`time.monotonic()` from which lists and descriptions show it: they are eventually consistent."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    container: Container | None = None
    lines_sent: int = 0
    stop_wanted: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    living: threading.Thread = field(default_factory=threading.Thread)
    """What brings it to RUNNING."""

    @property
    def arn(self) -> str:
        return str(self.about["taskArn"])

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def override(self) -> Mapping[str, Any]:
        """Of the main container, the only one that is really run."""
        given: list[dict[str, Any]] = self.about["overrides"].get("containerOverrides") or []
        return given[0] if given else {}

    @property
    def main(self) -> Mapping[str, Any]:
        containers: list[dict[str, Any]] = self.definition["containerDefinitions"]
        return next((each for each in containers if each["name"] == self.override.get("name")), containers[0])


class Tasks:
    """All tasks of an account's region."""

    def __init__(self, backend: Backend, containers: Containers, rights: Rights | None = None) -> None:
        """`rights`: what tasks' execution roles may; None: everything."""
        self.backend, self.containers, self.rights = backend, containers, rights
        self.lock = threading.Lock()
        self.all: dict[str, Task] = {}
        self.events: list[dict[str, Any]] = []
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self.visible_after = 0.0
        """Seconds until a task that was started is seen by lists and descriptions."""
        self.closed = self.hold_in_provisioning = False
        """Tasks wait for capacity, until this is false again or they are stopped."""

    def start(self, cluster: str, request: Mapping[str, Any], definition: Mapping[str, Any]) -> Task:
        task_id = uuid.uuid4().hex
        base = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
        arn = f"{base}:task/{cluster}/{task_id}"
        providers = providers_of(request)
        containers = [
            {
                "name": each["name"],
                "containerArn": f"{base}:container/{cluster}/{task_id}/{uuid.uuid4()}",
                "taskArn": arn,
                "image": each.get("image", ""),
                "lastStatus": "PENDING",
            }
            for each in definition["containerDefinitions"]
        ]
        about = {
            "taskArn": arn,
            "clusterArn": f"{base}:cluster/{cluster}",
            "taskDefinitionArn": definition["taskDefinitionArn"],
            "group": request.get("group") or f"family:{definition['family']}",
            "startedBy": request.get("startedBy", ""),
            "overrides": request.get("overrides") or {},
            "tags": request.get("tags") or [],
            "containers": containers,
            "createdAt": time.time(),
            "desiredStatus": "RUNNING",
            "lastStatus": "PROVISIONING",
            "version": 0,
            **(
                {"capacityProviderName": providers[0]}
                if providers
                else {"launchType": request.get("launchType", "EC2")}
            ),
        }
        if is_fargate(request):
            about |= {"launchType": "FARGATE", "platformVersion": "1.4.0", "platformFamily": "Linux"}
        task = Task(about, definition, time.monotonic() + self.visible_after)
        with self.lock:
            self.all[arn] = task
        self._change(task)
        task.living = threading.Thread(target=self._live, args=(task,), daemon=True)
        task.living.start()
        return task

    def stop(self, task: Task, reason: str, code: str = "UserInitiated") -> None:
        """Ask it to end. One that is stopped already stays as it is."""
        with task.lock:
            if task.about["desiredStatus"] == "STOPPED":
                return
            task.about |= {"stopCode": code, "stoppedReason": reason}
            self._change(task, desiredStatus="STOPPED", stoppingAt=time.time())
            task.stop_wanted.set()
            container = task.container
        if container:
            container.stop(float(task.main.get("stopTimeout", 30)))

    def take_back(self, task: Task) -> None:
        """Spot: the machine goes."""
        self.stop(task, "Your Spot Task was interrupted.", "SpotInterruption")

    def shown(self) -> list[Task]:
        now = time.monotonic()
        with self.lock:
            return [each for each in self.all.values() if each.seen_from <= now]

    def close(self) -> None:
        """End everything, and wait for it."""
        self.closed = True
        for task in list(self.all.values()):
            task.stop_wanted.set()
        for task in list(self.all.values()):
            task.living.join(10)
        self.containers.close()
        for task in list(self.all.values()):
            task.over.wait(5)

    # -- one task's life ----------------------------------------------------------------------------------------------

    def _live(self, task: Task) -> None:
        try:
            time.sleep(PHASE)
            while self.hold_in_provisioning and not task.stop_wanted.is_set():
                time.sleep(PHASE)
            self._change(task, lastStatus="PENDING")
            time.sleep(PHASE)
            with task.lock:
                if task.stop_wanted.is_set():
                    self._stopped(task)
                    return
                self._begin(task)
        except NeverStartedError as error:
            with task.lock:
                task.about["containers"][0]["reason"] = str(error)
                task.about |= {"stopCode": "TaskFailedToStart", "stoppedReason": str(error), "desiredStatus": "STOPPED"}
                self._stopped(task)

    def _begin(self, task: Task) -> None:
        main, override = task.main, task.override
        if MISSING_IMAGE in main.get("image", ""):
            raise NeverStartedError(
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
                f"{main['image']}: not found"
            )
        self._sign_in(task, main.get("image", ""))
        env = self._environment(task, main, override)
        command = [*main.get("entryPoint", []), *(override.get("command") or main.get("command") or [])]
        if not command or not shutil.which(command[0], path=env.get("PATH", IMAGE_PATH)):
            raise NeverStartedError(
                "CannotStartContainerError: Error response from daemon: failed to create task for container: "
                f'exec: "{command[0] if command else ""}": executable file not found in $PATH'
            )
        self._open_stream(task)
        memory = override.get("memory") or main.get("memory") or task.definition.get("memory")
        self._change(task, lastStatus="RUNNING", startedAt=time.time(), pullStoppedAt=time.time())
        task.container = self.containers.start(
            task.id,
            command,
            env,
            memory=int(memory) * 2**20 if memory else None,
            on_end=lambda container: self._ended(task, container),
        )
        threading.Thread(target=self._send_lines, args=(task,), daemon=True).start()

    def _denied(self, task: Task, right: Right) -> str | None:
        """AWS's words where the task's execution role may not do that."""
        if not self.rights:
            return None
        role = str(task.definition.get("executionRoleArn", ""))
        if role and not self.rights.missing_for(role, right):
            return None
        who = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/{task.id}"
        return (
            f"AccessDeniedException: {who} is not authorized to perform: {right.action} on resource: {right.resource} "
            f"because no identity-based policy allows the {right.action} action status code: 400"
        )

    def _sign_in(self, task: Task, image: str) -> None:
        for right in of_start(image):
            denied = self._denied(task, right)
            if denied and right.action == "ecr:GetAuthorizationToken":
                raise NeverStartedError(
                    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
                    f"retrieval failed: unable to retrieve ecr registry auth: {denied}"
                )
            if denied:  # the registry does not say which right that takes
                raise NeverStartedError(
                    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
                    f"{image}: pulling from host {image.partition('/')[0]} failed with status code: 403 Forbidden"
                )

    def _environment(self, task: Task, main: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, str]:
        """Files are weaker than variables, and the definition is weaker than an override."""
        env: dict[str, str] = {}
        for each in override.get("environmentFiles") or main.get("environmentFiles") or []:
            env |= self._env_file(each["value"])
        env |= {each["name"]: each["value"] for each in main.get("environment") or []}
        env |= {each["name"]: self._secret(task, each["valueFrom"]) for each in main.get("secrets") or []}
        return env | {each["name"]: each["value"] for each in override.get("environment") or []}

    def _env_file(self, arn: str) -> dict[str, str]:
        bucket, _, key = arn.split(":::", 1)[1].partition("/")
        try:
            text = self.backend.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        except Exception as error:
            raise NeverStartedError(
                f"ResourceInitializationError: failed to download env files: file download command: {error}"
            ) from error
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return dict(line.split("=", 1) for line in lines)

    def _secret(self, task: Task, reference: str) -> str:
        try:
            if ":secretsmanager:" in reference:
                denied = self._denied(task, Right("secretsmanager:GetSecretValue", reference))
                if denied:
                    raise PermissionError(f"failed to fetch secret {reference} from secrets manager: {denied}")
                return str(self.backend.client("secretsmanager").get_secret_value(SecretId=reference)["SecretString"])
            name = reference.partition(":parameter")[2] or reference
            return str(self.backend.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
        except Exception as error:
            raise NeverStartedError(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval "
                f"failed: unable to retrieve secret from asm: {error}"
            ) from error

    def _ended(self, task: Task, container: Container) -> None:
        self._deliver(task)
        with task.lock:
            mine = next(each for each in task.about["containers"] if each["name"] == task.main["name"])
            mine |= {"exitCode": container.exit_code, "lastStatus": "STOPPED"}
            if container.out_of_memory:
                mine["reason"] = "OutOfMemoryError: Container killed due to memory usage"
            if "stopCode" not in task.about:
                task.about |= {"stopCode": "EssentialContainerExited"}
                task.about |= {"stoppedReason": "Essential container in task exited"}
            self._change(task, desiredStatus="STOPPED", lastStatus="DEPROVISIONING", executionStoppedAt=time.time())
            self._stopped(task)

    def _stopped(self, task: Task) -> None:
        for each in task.about["containers"]:
            each["lastStatus"] = "STOPPED"
        self._change(task, lastStatus="STOPPED", desiredStatus="STOPPED", stoppedAt=time.time())
        task.over.set()

    def _change(self, task: Task, **changes: Any) -> None:
        with task.lock:
            task.about |= changes
            task.about["version"] += 1
            event = event_of(task.about)
        with self.lock:
            self.events.append(event)
        for listener in self.listeners:
            listener(event)

    # -- logs ---------------------------------------------------------------------------------------------------------

    def _open_stream(self, task: Task) -> None:
        place = _log_place(task)
        if not place:
            return
        logs, (group, stream) = self.backend.client("logs"), place
        try:
            denied = self._denied(task, of_stream("logs:CreateLogStream", group, stream))
            if denied:
                raise PermissionError(denied)
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        except Exception as error:
            raise NeverStartedError(
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
                f"failed to create Cloudwatch log stream: {error}"
            ) from error

    def _send_lines(self, task: Task) -> None:
        assert task.container
        while not task.container.over.wait(0.1):
            self._deliver(task)

    def _deliver(self, task: Task) -> None:
        """What was written since the last time goes to CloudWatch."""
        with task.lock:
            container = task.container or self.containers.all.get(task.id)
            place = _log_place(task)
            lines = container.lines[task.lines_sent :] if container else []
            if not place or not lines or self.closed or self._denied(task, of_stream("logs:PutLogEvents", *place)):
                return  # what its log driver may not send is lost, and nobody is told
            events = [{"timestamp": int(at.timestamp() * 1000), "message": text or " "} for at, text in lines]
            self.backend.client("logs").put_log_events(logGroupName=place[0], logStreamName=place[1], logEvents=events)
            task.lines_sent += len(lines)


def _log_place(task: Task) -> tuple[str, str] | None:
    options = (task.main.get("logConfiguration") or {}).get("options") or {}
    if "awslogs-group" not in options:
        return None
    return options["awslogs-group"], f"{options['awslogs-stream-prefix']}/{task.main['name']}/{task.id}"
