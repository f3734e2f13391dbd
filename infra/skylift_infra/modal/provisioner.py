"""The list of a pool's resources in Modal, in the order in which they are made, and what the pool is told of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from skylift.provider import Rejected
from skylift.provisioner import Answers, Handover, Plan, PoolIdentity, ProvisionError, Question, Record, Step
from skylift_infra import names
from skylift_infra.infrastructure import CloudInfrastructure
from skylift_infra.modal.account import Token, Workspace, ask_secret, own_token, pool_token
from skylift_infra.modal.place import App, Environment, PoolSecret, app_id
from skylift_infra.resources import Made, Resource, ensure_same_place
from skylift_modal.client import ROLE, Identity

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}")


class ModalProvisioner:
    """See `skylift.provisioner.Provisioner`."""

    type = "modal:push"
    block_type = "modal-credentials"
    registry_login = None
    questions: Sequence[Question] = (
        Question("environment", "Environment (empty: one of its own)", default="", customary=True),
        Question("app", "App (empty: one of its own)", default="", customary=True),
        Question("token_id", "Token to push with (empty: your own profile's)", default="", customary=True),
    )

    def open(self, pool: PoolIdentity, answers: Answers) -> CloudInfrastructure:
        for flag in ("environment", "app"):
            if answers[flag] and not NAME.fullmatch(answers[flag]):
                raise ProvisionError(
                    f"{answers[flag]!r} is no name that Modal takes",
                    remedy=f"Give --{flag} letters, digits, hyphens and underscores, 64 at most",
                )
        try:
            own = own_token()
        except Rejected as error:
            raise ProvisionError(str(error), remedy=error.remedy) from error
        return ModalInfrastructure(pool, answers, own)


class ModalInfrastructure(CloudInfrastructure):
    """Things are made with the person's own token, where there is one; the pool's own is tried before anything is."""

    def __init__(self, pool: PoolIdentity, answers: Answers, own: Token | None) -> None:
        self.pool, self.own = pool, own
        self.token = pool_token(own, pool.block, answers["token_id"])
        maker = own or self.token
        if not maker.secret:
            maker = self.token = ask_secret(self.token)
        self.workspace = Workspace(maker)
        self.identity: Identity | None = None
        self.stem = stem(pool)
        self.environment = answers["environment"] or self.stem
        ensure_same_place(pool, "environment", self.environment)
        self.app = answers["app"] or self.stem
        self.maker = self.workspace.identify()
        place = f"Modal workspace {self.maker.workspace or self.maker.workspace_id}"
        super().__init__(place, answers, self._resources(), self._handover)

    def _resources(self) -> list[Resource]:
        workspace, pool, stem = self.workspace, self.pool, self.stem
        return [
            Environment(workspace, pool, "environment", self.environment, stem),
            App(self.environment, workspace, pool, self.app, stem),
            PoolSecret(self.environment, workspace, pool, f"{stem}-admission"),
        ]

    def plan(self) -> Plan:
        self._try_token()
        return super().plan()

    def apply(self, record: Callable[[Record], None], progress: Callable[[Step], None]) -> Handover:
        self._try_token()
        return super().apply(record, progress)

    def _try_token(self) -> None:
        """Whether Modal takes the pool's token, unless only the block has its secret. Raises `ProvisionError`."""
        if not self.token.secret and self.pool.block.get("token_id") != self.token.id:
            self.token = ask_secret(self.token)
        self.identity = Workspace(self.token).identify() if self.token.secret else None
        if self.identity and self.identity.workspace_id != self.maker.workspace_id:
            raise ProvisionError(
                f"The token {self.token.id} belongs to the workspace {self.identity.workspace}, and you to "
                f"{self.maker.workspace}",
                remedy="Name a token of your workspace, or sign in to the other one: modal profile activate",
            )
        block = f"modal-credentials block {self.pool.name}-modal-credentials"
        if self.token.secret:
            whose = "of your own profile " if self.token == self.own else ""
            self.pool_changes = [
                f"Write the {block}: the token {self.token.id} {whose}with its secret, sealed",
                f"Whoever holds that token may do what {self._rights()}",
            ]
        else:
            self.pool_changes = [f"Keep the {block} with the token {self.token.id}"]
        self.pool_changes = [
            *self.pool_changes,
            "Set the environment, the App and the pool secret in the base job template",
        ]

    def _rights(self) -> str:
        """Modal's tokens have no rights of their own."""
        assert self.identity  # noqa: S101 - only said of a token that was tried
        ends = f", until {self.identity.expires:%Y-%m-%d}" if self.identity.expires else ""
        where = f"workspace {self.identity.workspace or self.identity.workspace_id}"
        if self.identity.is_service_user:
            return f"the service user {self.identity.who} may in {where}: its roles in environments limit that{ends}"
        return f"{self.identity.who or 'its user'} may in {where}, in all environments{ends}"

    # -- what the pool is told ----------------------------------------------------------------------------------------

    def _handover(self, made: Made) -> Handover:
        if self.token.secret and self.token != self.workspace.token:
            self._enter()
        return Handover(
            variables={
                "environment_name": self.environment,
                "app_name": self.app,
                "pool_secret": made["secret"]["name"],
            },
            block_data=self._block(),
            block_keeps_secrets=not self.token.secret,
            block_variable="modal_credentials",
            admission_secret_hash=made["secret"]["sha256"],
            notes=[*self._advice(), _script(self.pool.name)],
        )

    def _block(self) -> Mapping[str, Any]:
        return {"token_id": self.token.id} | ({"token_secret": self.token.secret} if self.token.secret else {})

    def _enter(self) -> None:
        """Whether the pool's token may use what another one has made. Raises `ProvisionError`."""
        try:
            found = app_id(Workspace(self.token), self.environment, self.app)
        except ProvisionError:
            found = None
        if not found:
            who = self.identity.who if self.identity else self.token.id
            raise ProvisionError(
                f"The token {self.token.id} of {who} cannot use the environment {self.environment!r}",
                remedy=f"Make {who} {ROLE.partition(' in ')[0]} there, in Modal's settings; then run the command again",
            )

    def _advice(self) -> list[str]:
        if not self.identity or self.identity.is_service_user:
            return []
        how = f"skylift work-pool provision-infra {self.pool.name} --token-id ak-…"
        words = (
            f"The pool pushes with a person's token. A service user's can be kept to the environment "
            f"{self.environment}: make one in Modal's settings, and give it with `{how}`."
        )
        return [words]


def stem(pool: PoolIdentity) -> str:
    """The name of what is the pool's own. Modal has no marks, so it takes more letters that nobody else has."""
    return names.stem(pool, letters=12)


def _script(pool: str) -> str:
    return (
        "A deploy script; the image comes from any registry, a private one needs the variable 'registry_secret':\n\n"
        "    from prefect import flow\n\n"
        "    if __name__ == '__main__':\n"
        "        flow.from_source('https://github.com/me/flows', 'hello.py:hello').deploy(\n"
        f"            'first', work_pool_name={pool!r}\n"
        "        )"
    )
