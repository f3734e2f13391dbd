"""A resource: one thing in a cloud that knows how to look itself up, to make itself, and to remove itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from skylift.provisioner import PoolIdentity, ProvisionError

Outputs = Mapping[str, Any]
"""What others need to know of a resource: its ARN, id, URL. Never a secret: outputs are recorded."""
Made = Mapping[str, Outputs]
"""The outputs of the resources that come before, by key."""


class NotYetError(ProvisionError):
    """The cloud is not ready for this: a role that it does not know yet, a thing that another still uses. Tried again
    for a while."""


@dataclass(frozen=True, slots=True)
class Found:
    """A resource as it is in the cloud now."""

    outputs: Outputs
    owned: bool = True
    """Whether it carries this pool's mark. What does not is used as it is, and never changed or removed."""
    differences: tuple[str, ...] = ()
    """In words, what is not as it should be."""
    detail: Any = field(default=None, repr=False)
    """For `mend` and `delete` of the same resource."""


class Resource(ABC):
    """Subclasses are made by a cloud's list of resources, in the order in which they are made."""

    kind: ClassVar[str]
    may_be_foreign: ClassVar[bool] = False
    """Whether one of this name that is not ours is simply used; where not, it is an error that names it."""
    finds_itself: ClassVar[bool] = False
    """Whether `look` can do without what it needs, which may not be there yet while a plan is made. Where not, it is
    not looked for until that is there, and a name that is taken shows only then."""
    idle_cost: str = ""
    verbs: ClassVar[tuple[str, str]] = ("Create", "Creating")
    """What making it is called: a right is granted, an API is activated."""

    def __init__(self, key: str, name: str, needs: tuple[str, ...] = ()) -> None:
        self.key, self.name, self.needs = key, name, needs

    @property
    def words(self) -> str:
        """What a person is shown of it."""
        return f"{self.kind} {self.name}"

    @abstractmethod
    def look(self, made: Made) -> Found | None:
        """As it is now; None where it is not there. Reads only."""

    @abstractmethod
    def create(self, made: Made) -> None:
        """Make it, with its mark in the same call, so that nothing of ours is ever without. May be called although it
        is there, where an earlier answer was lost: that is no error. Raises `NotYetError`, `ProvisionError`."""

    def mend(self, made: Made, found: Found) -> None:
        """Take away `found.differences`. Raises as `create`."""
        raise NotImplementedError(f"{self.kind} {self.name} has differences that nobody can mend")

    @abstractmethod
    def delete(self, found: Found) -> None:
        """Remove it. Not there is no error. May return before it is gone. Raises as `create`."""


def marks(pool: PoolIdentity) -> dict[str, str]:
    """What everything of a pool carries as tags."""
    return {"skylift:installation": str(pool.installation_id), "skylift:work-pool": pool.name}


def ensure_same_place(pool: PoolIdentity, key: str, name: str) -> None:
    """That what everything else lies in has the name that it had. Raises `ProvisionError`: what was made in another
    place would be left there."""
    before = (pool.recorded.get(key) or {}).get("name", name)
    if before != name:
        raise ProvisionError(
            f"What work pool {pool.name!r} has is in {before!r}, and would be left there",
            remedy=f"Remove it first: skylift work-pool destroy-infra {pool.name}",
        )
