"""Where sandboxes run: the environment, the App, and the pool's secret.

Environments and secrets of Modal can carry no marks. One under a name that Skylift made up is ours, because nobody
else's has it; one under a name that somebody chose is ours where it was made for this pool, which the record says.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from skylift.confidential import POOL_SECRET
from skylift.extras import sdk
from skylift.provisioner import PoolIdentity, ProvisionError
from skylift_infra.modal.account import EXTRA, Workspace, messages, telling
from skylift_infra.resources import Found, Made, Resource

HASH = f"{POOL_SECRET}_SHA256_"
"""Begins the name of a second key of the secret, which ends in the first one's hash: values cannot be read back, and
names can. So a pass that was cut off loses nothing."""


class Named(Resource):
    """Something in a workspace whose name tells whose it is."""

    finds_itself = True

    def __init__(
        self, workspace: Workspace, pool: PoolIdentity, key: str, name: str, own_name: str, needs: tuple[str, ...] = ()
    ) -> None:
        super().__init__(key, name, needs)
        self.workspace = workspace
        recorded = pool.recorded.get(key) or {}
        self.is_ours = name == own_name or bool(recorded.get("name") == name and recorded.get("owned"))


class Environment(Named):
    """One that is not ours is used as it is. Ours goes when nothing of anybody else's is in it."""

    kind = "environment"
    may_be_foreign = True

    def look(self, made: Made) -> Found | None:
        with telling("list the environments"):
            nothing = sdk("google.protobuf.empty_pb2", extra=EXTRA).Empty()
            found = self.workspace.ask("EnvironmentList", nothing).items
        return Found({"name": self.name}, self.is_ours) if self.name in {each.name for each in found} else None

    def create(self, made: Made) -> None:
        self.is_ours = True
        with telling(f"create the environment {self.name}", "ALREADY_EXISTS"):
            self.workspace.ask("EnvironmentCreate", messages().EnvironmentCreateRequest(name=self.name))

    def delete(self, found: Found) -> None:
        held = [*live_apps(self.workspace, self.name), *self._named("Secret"), *self._named("Volume")]
        if held:
            raise ProvisionError(
                f"The environment {self.name!r} holds more than Skylift has put there: {', '.join(sorted(held))}",
                remedy="Remove it or move it to another environment; then run the command again",
            )
        with telling(f"delete the environment {self.name}", "NOT_FOUND"):
            self.workspace.ask("EnvironmentDelete", messages().EnvironmentDeleteRequest(name=self.name))

    def _named(self, kind: str) -> Sequence[str]:
        """Names of secrets or volumes, the first hundred."""
        request = getattr(messages(), f"{kind}ListRequest")(
            environment_name=self.name, pagination=messages().ListPagination(max_objects=100)
        )
        answer: Any = None
        with telling(f"list what is in the environment {self.name}", "NOT_FOUND"):
            answer = self.workspace.ask(f"{kind}List", request)
        return [f"{kind.lower()} {each.label}" for each in answer.items] if answer else []


class App(Named):
    """The App that sandboxes belong to. Deleting it stops what runs in it; Modal keeps its history."""

    kind = "App"
    may_be_foreign = True

    def __init__(self, environment: str, workspace: Workspace, pool: PoolIdentity, name: str, own_name: str) -> None:
        super().__init__(workspace, pool, "app", name, own_name, ("environment",))
        self.environment = environment

    def look(self, made: Made) -> Found | None:
        id_ = app_id(self.workspace, self.environment, self.name)
        return Found({"id": id_, "name": self.name}, self.is_ours) if id_ else None

    def create(self, made: Made) -> None:
        self.is_ours = True
        with telling(f"create the App {self.name}"):
            self.workspace.ask(
                "AppGetOrCreate",
                messages().AppGetOrCreateRequest(
                    app_name=self.name,
                    environment_name=self.environment,
                    object_creation_type=messages().OBJECT_CREATION_TYPE_CREATE_IF_MISSING,
                ),
            )

    def delete(self, found: Found) -> None:
        with telling(f"stop the App {self.name}", "NOT_FOUND"):
            self.workspace.ask(
                "AppStop",
                messages().AppStopRequest(app_id=found.outputs["id"], source=messages().APP_STOP_SOURCE_PYTHON_CLIENT),
            )


class PoolSecret(Named):
    """What the pool's sandboxes show at their admission, beside the nonce."""

    kind = "secret"

    def __init__(self, environment: str, workspace: Workspace, pool: PoolIdentity, name: str) -> None:
        super().__init__(workspace, pool, "secret", name, name, ("environment",))
        self.environment = environment
        self.sha256: str | None = None

    def look(self, made: Made) -> Found | None:
        found: Any = None
        with telling(f"look at the secret {self.name}", "NOT_FOUND"):
            found = self._ask(messages().OBJECT_CREATION_TYPE_UNSPECIFIED)
        if not found:
            return None
        hashes = [each.removeprefix(HASH).lower() for each in found.metadata.keys if each.startswith(HASH)]
        known = hashes[0] if hashes else self.sha256
        outputs = {"id": found.secret_id, "name": self.name, "sha256": known}
        return Found(outputs, True, () if known else ("nobody knows what it holds",))

    def create(self, made: Made) -> None:
        with telling(f"create the secret {self.name}", "ALREADY_EXISTS"):
            self._put(messages().OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS)

    def mend(self, made: Made, found: Found) -> None:
        with telling(f"make the secret {self.name} anew"):
            self._put(messages().OBJECT_CREATION_TYPE_CREATE_OVERWRITE_IF_EXISTS)

    def delete(self, found: Found) -> None:
        with telling(f"delete the secret {self.name}", "NOT_FOUND"):
            self.workspace.ask("SecretDelete", messages().SecretDeleteRequest(secret_id=found.outputs["id"]))

    def _put(self, how: Any) -> None:
        value = secrets.token_urlsafe(32)
        hashed = hashlib.sha256(value.encode()).hexdigest()
        self._ask(how, {POOL_SECRET: value, HASH + hashed.upper(): "1"})
        self.sha256 = hashed

    def _ask(self, how: Any, values: dict[str, str] | None = None) -> Any:
        request = messages().SecretGetOrCreateRequest(
            deployment_name=self.name,
            environment_name=self.environment,
            object_creation_type=how,
            env_dict=values or {},
        )
        return self.workspace.ask("SecretGetOrCreate", request)


def app_id(workspace: Workspace, environment: str, name: str) -> str | None:
    """None: there is no such App, or not even the environment."""
    answer: Any = None
    with telling(f"look at the App {name}", "NOT_FOUND"):
        answer = workspace.ask(
            "AppGetOrCreate", messages().AppGetOrCreateRequest(app_name=name, environment_name=environment)
        )
    return str(answer.app_id) if answer else None


def live_apps(workspace: Workspace, environment: str) -> list[str]:
    """Those that are not stopped."""
    answer: Any = None
    over = {messages().APP_STATE_STOPPED, messages().APP_STATE_STOPPING, messages().APP_STATE_DISABLED}
    with telling(f"list the Apps of {environment}", "NOT_FOUND"):
        answer = workspace.ask("AppList", messages().AppListRequest(environment_name=environment))
    return [f"App {each.name or each.description}" for each in answer.apps if each.state not in over] if answer else []
