"""The list of a pool's resources in Azure, in the order in which they are made, and what the pool is told of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from skylift.provisioner import Answers, Handover, PoolIdentity, ProvisionError, Question
from skylift_infra.azure import rights
from skylift_infra.azure.account import Account, guid, open_account, subscriptions
from skylift_infra.azure.effect import in_effect
from skylift_infra.azure.identities import Application, Federation, Identity, Principal, Secret, trusted
from skylift_infra.azure.images import login
from skylift_infra.azure.place import Registration, Registry, ResourceGroup
from skylift_infra.deploy_script import deploy_script
from skylift_infra.infrastructure import CloudInfrastructure
from skylift_infra.names import digest, plain, stem
from skylift_infra.resources import Made, Resource, ensure_same_place, marks

NAMESPACES = ("Microsoft.ContainerInstance", "Microsoft.ContainerRegistry", "Microsoft.ManagedIdentity")
ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/(?P<type>[^/]+/[^/]+)/(?P<name>[^/]+)", re.I
)


class ContainerInstanceProvisioner:
    """See `skylift.provisioner.Provisioner`."""

    type = "azure-container-instance:push"
    block_type = "azure-container-instance-credentials"
    registry_login = "az acr login --name {registry}"

    @property
    def questions(self) -> Sequence[Question]:
        return (
            Question(
                "subscription",
                "Azure subscription",
                default=os.environ.get("AZURE_SUBSCRIPTION_ID") or None,
                choices=lambda answers: subscriptions(),
            ),
            Question("location", "Location", default="eastus"),
            Question("resource_group", "Resource group (empty: one of its own)", default="", customary=True),
            Question("registry", "Container registry (empty: one of its own)", default="", customary=True),
            Question("subnets", "Subnet ids (none: Azure's own network)", default=[], kind="list"),
            Question(
                "dispatcher",
                "Who pushes runs, as issuer|subject of its tokens (empty: Skylift runs in Azure)",
                default="",
                customary=True,
            ),
            Question("with_secret", "Push with a client secret", default=False, kind="switch"),
        )

    def open(self, pool: PoolIdentity, answers: Answers) -> CloudInfrastructure:
        _check(answers)
        account = open_account(answers["subscription"], answers["location"])
        layout = Layout(account, pool, answers)
        ensure_same_place(pool, "group", layout.group)
        made = CloudInfrastructure(
            f"Azure subscription {account.about['displayName']} ({account.subscription}) in {account.location}",
            answers,
            layout.resources,
            layout.handover,
            pool_changes=layout.pool_changes(),
            former=layout.former(),
        )
        layout.infrastructure = made
        return made


class Layout:
    """One pool's names and resources in one subscription."""

    infrastructure: CloudInfrastructure

    def __init__(self, account: Account, pool: PoolIdentity, answers: Answers) -> None:
        self.account, self.pool, self.answers = account, pool, answers
        self.tags = marks(pool)
        self.mark = rights.mark(self.tags)
        self.stem = stem(pool)
        self.group: str = answers["resource_group"] or self.stem
        self.dispatcher = "principal" if answers["with_secret"] else "dispatcher"

    @cached_property
    def resources(self) -> list[Resource]:
        account, tags, group, stem = self.account, self.tags, self.group, self.stem
        return [
            *(Registration(account, f"provider-{each.partition('.')[2].lower()}", each) for each in NAMESPACES),
            ResourceGroup(account, tags, "group", group),
            self._registry(),
            Identity(account, tags, "pull", group, f"{stem}-pull"),
            self._assignment(
                "pull-right",
                f"{stem}-pull: AcrPull on the registry",
                scope=lambda made: made["registry"]["id"] if "registry" in made else None,
                role=lambda made: (
                    f"{account.scope}/providers/Microsoft.Authorization/roleDefinitions/{rights.ACR_PULL}"
                ),
                principal="pull",
                needs=("registry",),
            ),
            *self._dispatcher(with_secret=self.answers["with_secret"]),
            rights.Role(
                account,
                "role",
                f"Skylift {stem}",
                guid(*self._who(), "role"),
                self.mark,
                allows=self._actions(),
                scopes=self._scopes(),
            ),
            *self._rights(self.dispatcher),
        ]

    @property
    def secret(self) -> Secret | None:
        return next((each for each in self.resources if isinstance(each, Secret)), None)

    def former(self) -> list[Resource]:
        """Whoever pushed before, where that is now done with a secret, or without. The directory is only asked where
        the pool knows of a secret: not everybody may."""
        if self.answers["with_secret"]:
            return [*self._dispatcher(with_secret=False), *self._rights("dispatcher", "former-")]
        if self.pool.block.get("client_secret_id"):
            return [*self._dispatcher(with_secret=True), *self._rights("principal", "former-")]
        return [] if self.answers["dispatcher"] else [self._trust("https://", "")]

    def _who(self) -> tuple[object, ...]:
        return (self.pool.installation_id, self.pool.name, self.account.subscription, self.group)

    def _subnets(self) -> list[str]:
        return list(self.answers["subnets"])

    def _actions(self) -> list[str]:
        return rights.actions(subnets=bool(self._subnets()))

    def _scopes(self) -> list[str]:
        """Resource groups that the role can be assigned in: those of the subnets as well."""
        elsewhere = [each.partition("/providers/")[0] for each in self._subnets()]
        return list(dict.fromkeys([self.account.group(self.group), *elsewhere]))

    def _registry(self) -> Registry:
        named: str = self.answers["registry"]
        full = ID.fullmatch(named)
        group, name = (full["group"], full["name"]) if full else (self.group, named or registry_name(self.pool))
        return Registry(self.account, self.tags, "registry", group, name)

    def _dispatcher(self, *, with_secret: bool) -> list[Resource]:
        account, tags = self.account, self.tags
        name = f"{self.stem}-dispatcher"
        if with_secret:
            known = self.pool.block.get("client_secret_id")
            return [
                Application(account, tags, "application", name),
                Principal(account, "principal", name, ("application",)),
                Secret(account, "secret", name, known, ("application", "principal")),
            ]
        made: list[Resource] = [Identity(account, tags, "dispatcher", self.group, name)]
        trust = trusted(self.answers["dispatcher"])
        return [*made, self._trust(trust["issuer"], trust["subject"])] if trust else made

    def _trust(self, issuer: str, subject: str) -> Federation:
        name = f"{self.stem}-dispatcher"
        return Federation(self.account, "trust", self.group, name, issuer, subject, ("dispatcher",))

    def _rights(self, principal: str, former: str = "") -> list[Resource]:
        """On the resource group and each of the subnets."""
        return [
            self._assignment(
                f"right-{number}",
                f"{self.stem}-dispatcher: Skylift {self.stem} on {scope.rpartition('/')[2]}",
                prefix=former,
                scope=lambda made, scope=scope: scope,
                role=lambda made: made["role"]["id"] if "role" in made else None,
                principal=principal,
                needs=("role",),
            )
            for number, scope in enumerate([self.account.group(self.group), *self._subnets()])
        ]

    def _assignment(
        self, key: str, name: str, *, needs: tuple[str, ...], prefix: str = "", **more: Any
    ) -> rights.Assignment:
        unique = guid(*self._who(), key, more["principal"])
        needs = (*needs, more["principal"])
        return rights.Assignment(self.account, prefix + key, name, unique, self.mark, needs=needs, **more)

    # -- what the pool is told ----------------------------------------------------------------------------------------

    def pool_changes(self) -> list[str]:
        type_ = ContainerInstanceProvisioner.block_type
        held = "a client secret, sealed" if self.answers["with_secret"] else "which identity to use, and no secret"
        return [
            f"Write the {type_} block {self.pool.name}-{type_}: {held}",
            "Set the subscription, resource group, location, registry and identity in the base job template",
        ]

    def handover(self, made: Made) -> Handover:
        pull = made["pull"]["id"]
        subnets = {"subnet_ids": self._subnets()} if self._subnets() else {}
        return Handover(
            variables={
                "subscription_id": self.account.subscription,
                "resource_group_name": self.group,
                "location": self.account.location,
                "image_registry": {"registry_url": made["registry"]["host"], "identity": pull},
                "identities": [pull],
                **subnets,
            },
            block_data=self._block(made),
            block_keeps_secrets=bool(self.secret and not self.secret.value),
            block_variable="aci_credentials",
            registry=made["registry"]["host"],
            login=lambda: login(self.account, made["registry"]["host"]),
            notes=[*self._notes(made), deploy_script(self.pool.name, f"{made['registry']['host']}/hello:1", "Azure")],
        )

    def _block(self, made: Made) -> Mapping[str, Any]:
        who = {"client_id": made[self.dispatcher]["client"], "tenant_id": self.account.tenant}
        if not self.secret:
            return who
        secret = {"client_secret": self.secret.value} if self.secret.value else {}
        return who | {"client_secret_id": made["secret"]["id"]} | secret

    def _notes(self, made: Made) -> list[str]:
        name = f"{self.stem}-dispatcher"
        if self.secret:
            if not self.secret.value or self._wait(self.secret.value, made):
                return []
            return ["Azure has not put the new rights into effect yet: give it a few minutes before the first run."]
        late = "Azure may take some minutes to put new rights into effect."
        if self.answers["dispatcher"]:
            whose = self.answers["dispatcher"].partition("|")[2]
            where = "set AZURE_FEDERATED_TOKEN_FILE to the file that holds them where it runs"
            return [f"Skylift pushes as {name} with the tokens of {whose}: {where}. {late}"]
        return [f"Skylift pushes as {name}: give that identity to the machine, app or function it runs as. {late}"]

    def _wait(self, secret: str, made: Made) -> bool:
        """Whether the rights are in effect in time: Azure says so to whoever has them."""
        until = self.infrastructure.clock() + self.infrastructure.settles_within
        scope, client = self.account.group(self.group), made[self.dispatcher]["client"]
        while not in_effect(self.account, scope, client, secret, self._actions()):
            if self.infrastructure.clock() > until:
                return False
            self.infrastructure.sleep(5)
        return True


def registry_name(pool: PoolIdentity) -> str:
    """One of its kind in all of Azure; 5 to 50 letters and digits."""
    return f"skylift{plain(pool).replace('-', '')}{digest(pool, 12)}"


def _check(answers: Answers) -> None:
    """What can be seen to be wrong without asking Azure. Raises `ProvisionError`."""
    registry = answers["registry"]
    if registry and not ID.fullmatch(registry) and not re.fullmatch(r"[A-Za-z0-9]{5,50}", registry):
        raise ProvisionError(
            f"{registry!r} is no name of a container registry",
            remedy="Give --registry 5 to 50 letters and digits, or the id of a registry that is there",
        )
    for each in answers["subnets"]:
        if not re.fullmatch(
            r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/.+/subnets/[^/]+", each, re.I
        ):
            raise ProvisionError(
                f"{each!r} is no id of a subnet", remedy="Give --subnets /subscriptions/…/virtualNetworks/…/subnets/…"
            )
    try:
        trust = trusted(answers["dispatcher"])
    except ValueError as error:
        raise ProvisionError(
            f"{answers['dispatcher']!r} does not say who pushes runs",
            remedy="Give --dispatcher as issuer|subject of its tokens, such as "
            "'https://token.actions.githubusercontent.com|repo:me/flows:ref:refs/heads/main'",
        ) from error
    if trust and answers["with_secret"]:
        raise ProvisionError(
            "Whoever pushes with a secret needs no trust in its tokens", remedy="Drop --dispatcher or --with-secret"
        )
