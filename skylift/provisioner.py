"""The port to whoever makes the infrastructure of a work pool: what `--provision-infra` asks, plans, makes and removes.

A provisioner runs where the command line runs, with the cloud credentials of the person who types. It is asked for an
`Infrastructure`, which knows the pool's resources; plan reads only, apply makes true what the plan said, destroy
removes what carries this pool's mark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from skylift.errors import SkyliftError

Action = Literal["create", "update", "adopt", "nothing", "delete", "keep"]
"""adopt: it is there and not ours: used as it is, never changed or removed. keep: not ours, so it stays."""
Answers = Mapping[str, Any]
"""By question name; what was not asked is not there."""


class ProvisionError(SkyliftError):
    """The infrastructure could not be made. What was made is recorded: run it again to go on."""

    def __init__(self, message: str | None = None, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Question:
    """Something that a person may decide. Its flag is `--` and the name, with hyphens."""

    name: str
    text: str
    default: Any = None
    """What is taken without a word; None: a person must answer, on the terminal or by the flag."""
    kind: Literal["text", "list", "switch"] = "text"
    choices: Callable[[Answers], Sequence[tuple[str, str]]] | None = None
    """Values to choose from and what they are, asked of the cloud when it is this question's turn."""
    customary: bool = False
    """A name that is only asked for when somebody wants to choose names."""


@dataclass(frozen=True, slots=True)
class PoolIdentity:
    """Whose infrastructure it is: goes into names and marks."""

    name: str
    type: str
    installation_id: UUID
    api_url: str = ""
    block: Mapping[str, Any] = field(default_factory=dict)
    """What its credentials block holds now, secrets masked: which key is the one in use."""
    recorded: Mapping[str, Any] = field(default_factory=dict)
    """The `resources` on record, for clouds whose things cannot carry a mark."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done, or was found, about one resource."""

    key: str
    kind: str
    """For people: IAM role, Artifact Registry repository…"""
    name: str
    action: Action
    why: tuple[str, ...] = ()
    """What differs from what is wanted."""
    idle_cost: str = ""
    """What it costs while nothing runs, where that is not zero."""
    words: str = ""
    """What a person is shown in the place of kind and name."""
    verbs: tuple[str, str] = ("Create", "Creating")
    """What making it is called."""
    url: str = ""
    """Its page in the cloud's own console, where there is one."""

    @property
    def shown(self) -> str:
        return self.words or f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A value to show, to compare and to apply."""

    place: str
    """Account and region, project, subscription: in words."""
    steps: tuple[Step, ...]

    @property
    def changes(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.action in ("create", "update", "delete"))

    def as_json(self) -> dict[str, Any]:
        steps = [
            {"key": each.key, "kind": each.kind, "name": each.name, "action": each.action, "why": list(each.why)}
            | ({"url": each.url} if each.url else {})
            for each in self.steps
        ]
        return {"place": self.place, "changes": len(self.changes), "steps": steps}


Record = dict[str, Any]
"""What was made, as it is kept with the pool: `place`, `answers`, and `resources` by key, each with its kind, name,
outputs and whether it is ours. No secrets."""


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """What docker needs to get into a registry for some hours."""

    host: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Handover:
    """What the pool gets once everything is there."""

    variables: Mapping[str, Any]
    """Defaults for variables of its base job template."""
    block_data: Mapping[str, Any]
    """May hold a key where one was asked for: it is sealed, and goes nowhere else."""
    block_variable: str
    """The variable whose default refers to the block."""
    block_keeps_secrets: bool = False
    """Whether secrets that the block holds already stay in it: they cannot be had a second time."""
    admission_secret_hash: str | None = None
    """SHA-256 of the secret that the pool's containers get."""
    registry: str | None = None
    """Where images are pushed to."""
    build_namespace: str | None = None
    """What goes before the names of images, for Prefect's default build namespace; None: the registry."""
    login: Callable[[], RegistryLogin] | None = None
    """Asks the cloud for a way into the registry, as whoever types. Raises `ProvisionError`."""
    notes: Sequence[str] = field(default_factory=tuple)
    """What a person should know or do next, a sentence each."""


class Infrastructure(Protocol):
    """The resources of one pool in one place."""

    pool_changes: Sequence[str]
    """What else will be done, in Skylift itself, a line each: which credentials block, with or without a key."""

    def plan(self) -> Plan:
        """Look, and say what would be done. Reads only. Raises `ProvisionError`."""
        ...

    def apply(self, record: Callable[[Record], None], progress: Callable[[Step], None]) -> Handover:
        """Make it so. `record` is told after each resource what there is now, `progress` before each. Raises
        `ProvisionError`; then what was done is recorded, and applying again goes on from there."""
        ...

    def removal(self) -> Plan:
        """What `destroy` would do. Reads only."""
        ...

    def destroy(self, record: Callable[[Record], None], progress: Callable[[Step], None]) -> None:
        """Remove what carries this pool's mark, the last made first, and see that it is gone."""
        ...


class Provisioner(Protocol):
    """Knows how the infrastructure of one type of work pool is made."""

    type: str
    block_type: str
    """The slug of the pool's credentials block, which is named `<pool>-<slug>`."""

    @property
    def questions(self) -> Sequence[Question]:
        """In the order in which they are asked."""
        ...

    @property
    def registry_login(self) -> str | None:
        """The command that logs docker into the registry, with {registry} in it."""
        ...

    def open(self, pool: PoolIdentity, answers: Answers) -> Infrastructure:
        """Check the person's credentials and the answers. Raises `ProvisionError` with what to do."""
        ...
