"""A whole local workspace of Modal: environments, Apps and secrets come and go, and tokens have owners and roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from grpclib import GRPCError, Status
from modal_proto import api_pb2

from tests.clouds.modal_cloud import TOKEN_ID, TOKEN_SECRET, LocalModal
from tests.clouds.modal_sandboxes import Sandboxes
from tests.clouds.modal_service import ANONYMOUS, WORKSPACE, Service

FAIL_IF_EXISTS = api_pb2.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS
OVERWRITE = api_pb2.OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS
SERVICE = ("ak-service", "as-service")


@dataclass
class Owner:
    """Of a token: a person, or a service user with the environments that it may use; None: all."""

    name: str
    is_service_user: bool = False
    environments: set[str] | None = None
    workspace: str = WORKSPACE
    expires: int = 0


class WorkspaceService(Service):
    """Environments and secrets that are made and deleted."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        super().__init__(sandboxes)
        self.environments = {"main"}
        self.owner = Owner("somebody")
        """Of the token of the call that is being answered."""
        self.shows_keys = True
        """Whether the names of a secret's keys are told."""

    def token_info_get(self, request: Any) -> Any:
        owner = self.owner
        answer = api_pb2.TokenInfoGetResponse(workspace_id=f"ac-{owner.workspace}", workspace_name=owner.workspace)
        if owner.is_service_user:
            answer.service_user_identity.service_user_name = owner.name
        else:
            answer.user_identity.username = owner.name
        if owner.expires:
            answer.expires_at.CopyFrom(Timestamp(seconds=owner.expires))
        return answer

    def environment_list(self, request: Any) -> Any:
        items = [
            api_pb2.EnvironmentListItem(name=each, environment_id=f"en-{each}") for each in sorted(self.environments)
        ]
        return api_pb2.EnvironmentListResponse(items=items)

    def environment_create(self, request: Any) -> Any:
        if self.owner.environments is not None:
            raise GRPCError(Status.PERMISSION_DENIED, "Only members of the workspace may create environments")
        if request.name in self.environments:
            raise GRPCError(Status.ALREADY_EXISTS, f"Environment '{request.name}' already exists")
        self.environments.add(request.name)
        return Empty()

    def environment_delete(self, request: Any) -> Any:
        self._environment(request.name)
        self.environments.remove(request.name)
        for held in (self.apps, self.named_secrets, self.volumes):
            for key in [each for each in held if each[0] == request.name]:
                del held[key]
        return Empty()

    def app_list(self, request: Any) -> Any:
        where = self._environment(request.environment_name)
        apps = [
            api_pb2.AppListResponse.AppListItem(app_id=id_, name=name, state=api_pb2.APP_STATE_DEPLOYED)
            for (environment, name), id_ in self.apps.items()
            if environment == where
        ]
        stopped = api_pb2.AppListResponse.AppListItem(app_id="ap-old", name="old", state=api_pb2.APP_STATE_STOPPED)
        return api_pb2.AppListResponse(apps=[*apps, stopped])

    def app_stop(self, request: Any) -> Any:
        for key in [each for each, id_ in self.apps.items() if id_ == request.app_id]:
            del self.apps[key]
            return Empty()
        raise GRPCError(Status.NOT_FOUND, f"App '{request.app_id}' not found.")

    def secret_get_or_create(self, request: Any) -> Any:
        if request.object_creation_type in ANONYMOUS:
            return super().secret_get_or_create(request)
        key = (self._environment(request.environment_name), request.deployment_name)
        exists = key in self.named_secrets
        if request.object_creation_type == FAIL_IF_EXISTS and exists:
            raise GRPCError(Status.ALREADY_EXISTS, f"Secret '{key[1]}' already exists")
        if request.object_creation_type in (FAIL_IF_EXISTS, OVERWRITE):
            self.add_secret(key[1], dict(request.env_dict), key[0])
        answer = super().secret_get_or_create(request)
        answer.metadata.name = key[1]
        if self.shows_keys:
            answer.metadata.keys.extend(sorted(self.secrets[answer.secret_id]))
        return answer

    def secret_delete(self, request: Any) -> Any:
        self._secret(request.secret_id)
        del self.secrets[request.secret_id]
        self.named_secrets = {key: id_ for key, id_ in self.named_secrets.items() if id_ != request.secret_id}
        return Empty()

    def secret_list(self, request: Any) -> Any:
        where = self._environment(request.environment_name)
        return api_pb2.SecretListResponse(
            items=[
                api_pb2.SecretListItem(label=name, secret_id=id_, environment_name=where)
                for (environment, name), id_ in self.named_secrets.items()
                if environment == where
            ]
        )

    def volume_list(self, request: Any) -> Any:
        where = self._environment(request.environment_name)
        return api_pb2.VolumeListResponse(
            items=[
                api_pb2.VolumeListItem(label=name, volume_id=id_)
                for (environment, name), id_ in self.volumes.items()
                if environment == where
            ]
        )

    def _environment(self, name: str) -> str:
        found = super()._environment(name)
        if self.owner.environments is not None and found not in self.owner.environments:
            raise GRPCError(Status.PERMISSION_DENIED, f"No access to environment '{found}'")
        return found


class LocalWorkspace(LocalModal):
    """One workspace with a person's token and a service user's."""

    service: WorkspaceService

    def __init__(self) -> None:
        super().__init__()
        self.service = WorkspaceService(self.sandboxes)
        self.owners = {TOKEN_ID: Owner("ada"), SERVICE[0]: Owner("pusher", is_service_user=True, environments=set())}
        self.tokens = {TOKEN_ID: TOKEN_SECRET, SERVICE[0]: SERVICE[1]}

    def everything(self) -> dict[str, list[str]]:
        """All that is there, by kind."""
        kinds: dict[str, Mapping[tuple[str, str], str]] = {
            "apps": self.service.apps,
            "secrets": self.service.named_secrets,
            "volumes": self.service.volumes,
        }
        found = {kind: sorted("/".join(key) for key in held) for kind, held in kinds.items()}
        return found | {"environments": sorted(self.service.environments)}

    def _reply(self, name: str, request: Any, metadata: Mapping[str, str]) -> Sequence[Any]:
        self.service.owner = self.owners.get(metadata.get("x-modal-token-id", ""), Owner("nobody"))
        return super()._reply(name, request, metadata)
