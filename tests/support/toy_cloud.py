"""A cloud of named things with tags, for tests of provisioning: every call may fail, or act and lose its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from skylift.provisioner import Answers, Handover, PoolIdentity, ProvisionError, Question
from skylift_infra.infrastructure import CloudInfrastructure
from skylift_infra.resources import Found, Made, NotYetError, Resource, marks


@dataclass
class ToyCloud:
    """`things` by name: their tags and values. What is new is seen only after `lag` looks."""

    things: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fail_at: int | None = None
    """The number of the changing call that goes wrong, from 0."""
    acts_first: bool = False
    lag: int = 0
    not_ready: int = 0
    """How many changing calls are told to come again."""
    _unseen: dict[str, int] = field(default_factory=dict)

    def change(self, what: str, name: str, value: dict[str, Any] | None) -> None:
        if self.not_ready:
            self.not_ready -= 1
            raise NotYetError("Not ready for this yet")
        number = len(self.calls)
        self.calls.append(f"{what} {name}")
        if number == self.fail_at and not self.acts_first:
            raise ProvisionError("The cloud failed")
        if value is None:
            self.things.pop(name, None)
        else:
            if name not in self.things:
                self._unseen[name] = self.lag
            self.things[name] = value
        if number == self.fail_at:
            raise ProvisionError("The answer was lost")

    def see(self, name: str) -> dict[str, Any] | None:
        if self._unseen.get(name, 0) > 0:
            self._unseen[name] -= 1
            return None
        return self.things.get(name)


class Thing(Resource):
    """`value`: how it should be."""

    kind = "thing"
    finds_itself = True

    def __init__(
        self, cloud: ToyCloud, pool: PoolIdentity, key: str, name: str, needs: tuple[str, ...] = (), value: str = "x"
    ) -> None:
        super().__init__(key, name, needs)
        self.cloud, self.tags, self.value = cloud, marks(pool), value

    def _wanted(self, made: Made) -> dict[str, Any]:
        return {"tags": self.tags, "value": self.value, "uses": [made[need]["id"] for need in self.needs]}

    def look(self, made: Made) -> Found | None:
        seen = self.cloud.see(self.name)
        if seen is None:
            return None
        differences = () if seen["value"] == self.value else (f"its value is {seen['value']!r}",)
        return Found({"id": f"id-of-{self.name}"}, seen["tags"] == self.tags, differences)

    def create(self, made: Made) -> None:
        self.cloud.change("create", self.name, self._wanted(made))

    def mend(self, made: Made, found: Found) -> None:
        self.cloud.change("mend", self.name, self._wanted(made))

    def delete(self, found: Found) -> None:
        self.cloud.change("delete", self.name, None)


class Shared(Thing):
    kind = "shared thing"
    may_be_foreign = True


class ToyProvisioner:
    """Of pools of type `toy:push`: a network that may be somebody else's, a role, and a cluster that needs both."""

    registry_login = "docker login {registry}"
    block_type = "secret"

    def __init__(self, cloud: ToyCloud, type_: str = "toy:push") -> None:
        self.cloud, self.type = cloud, type_
        self.questions: Sequence[Question] = (
            Question("region", "Region", choices=lambda answers: [("north", "North"), ("south", "South")]),
            Question("cluster", "Cluster", default="skylift", customary=True),
            Question("with_access_key", "With a key", default=False, kind="switch"),
        )

    def open(self, pool: PoolIdentity, answers: Answers) -> CloudInfrastructure:
        if answers["region"] not in ("north", "south"):
            raise ProvisionError(f"There is no region {answers['region']!r}", remedy="Use north or south")
        where = answers["region"]
        resources = [
            Shared(self.cloud, pool, "network", f"{where}/network"),
            Thing(self.cloud, pool, "role", f"{pool.name}-role"),
            Thing(self.cloud, pool, "cluster", f"{where}/{answers['cluster']}", ("network", "role"), "big"),
        ]

        def handover(made: Made) -> Handover:
            return Handover(
                variables={"command": "true"},
                block_data={"value": "a-key" if answers["with_access_key"] else made["role"]["id"]},
                block_variable="cpu",
                admission_secret_hash="0" * 64,
                registry="registry.example/flows",
                notes=["Mind the gap."],
            )

        changes = [f"Create secret block {pool.name}-secret to store a role"]
        return CloudInfrastructure(
            f"toy cloud in region {where}", answers, resources, handover, pool_changes=changes, sleep=lambda _: None
        )
