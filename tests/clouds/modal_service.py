"""The RPCs of the local Modal: a method each."""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from grpclib import GRPCError, Status
from modal_proto import api_pb2

from tests.clouds.modal_sandboxes import Result, Sandbox, Sandboxes

WORKSPACE = "local-workspace"
BUILDER = "2025.06"
MISSING_IMAGE = "no-such-image"
"""An image whose name holds this cannot be pulled."""
IF_MISSING = api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
ANONYMOUS = (
    api_pb2.OBJECT_CREATION_TYPE_ANONYMOUS_OWNED_BY_APP,
    api_pb2.OBJECT_CREATION_TYPE_EPHEMERAL,
)


def token(seconds: float = 3600) -> str:
    """As the SDK reads it: a JWT of which only the expiry matters."""

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part({'exp': time.time() + seconds})}."


class Service:
    """What the workspace holds, and what its RPCs answer."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self.sandboxes = sandboxes
        self.environments = {"main", "dev"}
        self.apps: dict[tuple[str, str], str] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.named_secrets: dict[tuple[str, str], str] = {}
        self.volumes: dict[tuple[str, str], str] = {}
        self.images: dict[bytes, str] = {}
        self.built: dict[str, Any] = {}
        self.build_seconds = 0.0
        self.entry_size = 4096
        """Characters that an entry of the log holds at most; more are cut into several."""
        self.tags_are_final = False
        """Whether the tags of an ended sandbox can no longer be changed."""
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def add_secret(self, name: str, values: Mapping[str, str], environment: str = "main") -> None:
        self.named_secrets[environment, name] = made = self._id("st")
        self.secrets[made] = dict(values)

    def add_volume(self, name: str, environment: str = "main") -> None:
        self.volumes[environment, name] = self._id("vo")

    # -- who and where

    def client_hello(self, request: Any) -> Any:
        return api_pb2.ClientHelloResponse(image_builder_version=BUILDER)

    def auth_token_get(self, request: Any) -> Any:
        return api_pb2.AuthTokenGetResponse(token=token())

    def token_info_get(self, request: Any) -> Any:
        who = api_pb2.ServiceUserIdentity(service_user_id="su-1", service_user_name="skylift")
        return api_pb2.TokenInfoGetResponse(
            workspace_id="ac-local", workspace_name=WORKSPACE, service_user_identity=who
        )

    def environment_get_or_create(self, request: Any) -> Any:
        name = self._environment(request.deployment_name)
        settings = api_pb2.EnvironmentSettings(image_builder_version=BUILDER)
        return api_pb2.EnvironmentGetOrCreateResponse(
            environment_id=f"en-{name}", metadata=api_pb2.EnvironmentMetadata(name=name, settings=settings)
        )

    def app_get_or_create(self, request: Any) -> Any:
        key = (self._environment(request.environment_name), request.app_name)
        with self._lock:
            if key not in self.apps:
                if request.object_creation_type != IF_MISSING:
                    raise GRPCError(Status.NOT_FOUND, f"App '{key[1]}' not found in environment '{key[0]}'.")
                self.apps[key] = self._id("ap")
        return api_pb2.AppGetOrCreateResponse(app_id=self.apps[key])

    # -- what a sandbox is made of

    def image_get_or_create(self, request: Any) -> Any:
        definition = request.image.SerializeToString(deterministic=True)
        with self._lock:
            image = self.images.setdefault(definition, self._id("im"))
            if image not in self.built:
                missing = any(MISSING_IMAGE in line for line in request.image.dockerfile_commands)
                self.built[image] = (time.monotonic() + self.build_seconds, _built(missing))
        ready, result = self.built[image]
        answer = api_pb2.ImageGetOrCreateResponse(image_id=image)
        answer.metadata.image_builder_version = BUILDER
        if time.monotonic() >= ready:
            answer.result.CopyFrom(result)
        return answer

    def image_join_streaming(self, request: Any) -> Any:
        ready, result = self.built[request.image_id]
        time.sleep(max(0.0, min(ready - time.monotonic(), request.timeout)))
        if time.monotonic() < ready:
            return []
        return [api_pb2.ImageJoinStreamingResponse(result=result, eof=True)]

    def secret_get_or_create(self, request: Any) -> Any:
        if request.object_creation_type in ANONYMOUS:
            made = self._id("st")
            self.secrets[made] = dict(request.env_dict)
            return api_pb2.SecretGetOrCreateResponse(secret_id=made)
        key = (self._environment(request.environment_name), request.deployment_name)
        if key not in self.named_secrets:
            raise GRPCError(Status.NOT_FOUND, f"Secret '{key[1]}' not found in environment '{key[0]}'.")
        absent = set(request.required_keys) - self.secrets[self.named_secrets[key]].keys()
        if absent:
            raise GRPCError(Status.FAILED_PRECONDITION, f"Secret '{key[1]}' is missing key(s): {sorted(absent)}")
        return api_pb2.SecretGetOrCreateResponse(secret_id=self.named_secrets[key])

    def volume_get_or_create(self, request: Any) -> Any:
        key = (self._environment(request.environment_name), request.deployment_name)
        if key not in self.volumes:
            raise GRPCError(Status.NOT_FOUND, f"Volume '{key[1]}' not found in environment '{key[0]}'.")
        return api_pb2.VolumeGetOrCreateResponse(volume_id=self.volumes[key])

    # -- sandboxes

    def sandbox_create_v2(self, request: Any) -> Any:
        if request.definition.resources.gpu_config.gpu_type:
            raise GRPCError(Status.INVALID_ARGUMENT, "GPUs are not supported by V2 sandboxes")
        env: dict[str, str] = {}
        for source in request.secret_sources:
            env |= self._secret(source.secret_id) if source.secret_id else dict(source.env.contents)
        made = self._create(request, env, v2=True)
        return api_pb2.SandboxCreateV2Response(sandbox_id=made.id, task_id=made.task_id, metadata=made.metadata)

    def sandbox_create(self, request: Any) -> Any:
        env: dict[str, str] = {}
        for each in request.definition.secret_ids:
            env |= self._secret(each)
        made = self._create(request, env, v2=False)
        return api_pb2.SandboxCreateResponse(sandbox_id=made.id, metadata=made.metadata)

    def sandbox_wait(self, request: Any) -> Any:
        found = self.sandboxes.get(request.sandbox_id)
        if request.timeout:
            found.over.wait(request.timeout)
        return api_pb2.SandboxWaitResponse(result=found.result, metadata=found.metadata)

    def sandbox_get_task_id(self, request: Any) -> Any:
        found = self.sandboxes.get(request.sandbox_id)
        placed = found.task_id if found.container else ""
        return api_pb2.SandboxGetTaskIdResponse(task_id=placed, task_result=found.result)

    def sandbox_terminate(self, request: Any) -> Any:
        found = self.sandboxes.get(request.sandbox_id)
        before = found.result
        found.kill(Result.GENERIC_STATUS_TERMINATED)
        return api_pb2.SandboxTerminateResponse(existing_result=before)

    def sandbox_list_v2(self, request: Any) -> Any:
        return api_pb2.SandboxListResponse(sandboxes=[each.as_info() for each in self.sandboxes.page(request)])

    def sandbox_get_from_name(self, request: Any, *, ended: bool = False) -> Any:
        app = self.apps.get((self._environment(request.environment_name), request.app_name), "?")
        found = self.sandboxes.by_name(app, request.sandbox_name, ended=ended)
        return api_pb2.SandboxGetFromNameResponse(sandbox_id=found.id, metadata=found.metadata)

    def sandbox_get_from_name_v2(self, request: Any) -> Any:
        return self.sandbox_get_from_name(request, ended=request.include_terminated)

    def sandbox_tags_get(self, request: Any) -> Any:
        return api_pb2.SandboxTagsGetResponse(tags=self.sandboxes.get(request.sandbox_id).as_info().tags)

    def sandbox_tags_set(self, request: Any) -> Any:
        found = self.sandboxes.get(request.sandbox_id)
        if found.result and self.tags_are_final:
            raise GRPCError(Status.FAILED_PRECONDITION, "The sandbox is not running")
        found.tags = {tag.tag_name: tag.tag_value for tag in request.tags}
        return Empty()

    sandbox_wait_v2, sandbox_get_task_id_v2, sandbox_terminate_v2 = sandbox_wait, sandbox_get_task_id, sandbox_terminate
    sandbox_tags_get_v2, sandbox_tags_set_v2, sandbox_list = sandbox_tags_get, sandbox_tags_set, sandbox_list_v2

    # -- logs

    def app_count_logs(self, request: Any) -> Any:
        counted: dict[int, int] = {}
        for at, _ in self._entries(request):
            start = int(at // request.bucket_secs * request.bucket_secs)
            counted[start] = counted.get(start, 0) + 1
        bucket = api_pb2.AppCountLogsResponse.LogBucket
        return api_pb2.AppCountLogsResponse(
            buckets=[bucket(bucket_start_at=Timestamp(seconds=at), stdout_logs=n) for at, n in sorted(counted.items())]
        )

    def app_fetch_logs(self, request: Any) -> Any:
        found = self._entries(request)[-request.limit :]
        items = [
            api_pb2.TaskLogs(
                data=text, timestamp=at, timestamp_ns=int(at * 1e9), file_descriptor=api_pb2.FILE_DESCRIPTOR_STDOUT
            )
            for at, text in found
        ]
        return api_pb2.AppFetchLogsResponse(batches=[api_pb2.TaskLogsBatch(task_id=request.task_id, items=items)])

    def _entries(self, request: Any) -> list[tuple[float, str]]:
        since, until = (each.seconds + each.nanos / 1e9 for each in (request.since, request.until))
        found = next((each for each in self.sandboxes.all.values() if each.task_id == request.task_id), None)
        lines = list(found.container.lines) if found and found.container else []
        cut = [
            (at.timestamp(), (line + "\n")[start : start + self.entry_size])
            for at, line in lines
            for start in range(0, len(line) + 1, self.entry_size)
        ]
        return [(at, text) for at, text in cut if since <= at < until]

    # -- helpers

    def _create(self, request: Any, env: Mapping[str, str], *, v2: bool) -> Sandbox:
        if request.app_id not in self.apps.values():
            raise GRPCError(Status.NOT_FOUND, f"App '{request.app_id}' not found.")
        image = request.definition.image_id
        if image not in self.built or self.built[image][1].status != Result.GENERIC_STATUS_SUCCESS:
            raise GRPCError(Status.NOT_FOUND, f"Image '{image}' not found.")
        return self.sandboxes.create(request, env, v2=v2)

    def _secret(self, secret_id: str) -> dict[str, str]:
        if secret_id not in self.secrets:
            raise GRPCError(Status.NOT_FOUND, f"Secret '{secret_id}' not found.")
        return self.secrets[secret_id]

    def _environment(self, name: str) -> str:
        if (name or "main") not in self.environments:
            raise GRPCError(Status.NOT_FOUND, f"Environment '{name}' not found.")
        return name or "main"

    def _id(self, prefix: str) -> str:
        return f"{prefix}-{next(self._ids):022d}"

    def method(self, name: str) -> Callable[[Any], Any] | None:
        """By the protocol's name for it."""
        return getattr(self, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower(), None)


def _built(missing: bool) -> Any:
    if missing:
        words = f"Failed to pull image: manifest for {MISSING_IMAGE} not found: manifest unknown"
        return Result(status=Result.GENERIC_STATUS_FAILURE, exception=words)
    return Result(status=Result.GENERIC_STATUS_SUCCESS)
