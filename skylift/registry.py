"""Finds providers and platforms by their entry points, so that nothing is imported before it is needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from skylift.errors import MissingExtraError, NotFoundError
from skylift.managed import MANAGED, PREFERRED, ManagedProvider
from skylift.provider import Provider
from skylift.provisioner import Provisioner


class Providers:
    """The installed providers, by work pool type."""

    def __init__(
        self,
        ready: Mapping[str, Provider] | None = None,
        *,
        managed: str | None = None,
        without: Collection[str] = (),
    ) -> None:
        """`managed`: the type whose provider runs managed pools. Raises `NotFoundError` where that is not installed.

        `without`: types that are not served here, installed or not.
        """
        self._ready: dict[str, Provider] = dict(ready or {})
        self._without = without
        self._managed = managed
        if managed and (managed == MANAGED or managed not in self):
            raise NotFoundError(
                f"SKYLIFT_MANAGED_PROVIDER names {managed!r}, and no such provider is installed; "
                f"name one of {', '.join(self._pushed)}"
            )

    @cached_property
    def _found(self) -> Mapping[str, EntryPoint]:
        found = entry_points(group="skylift.providers")
        return {entry.name: entry for entry in found if entry.name not in self._without}

    @property
    def _pushed(self) -> list[str]:
        return sorted({*self._found, *self._ready} - {MANAGED})

    @property
    def managed(self) -> str | None:
        """The type whose provider runs managed pools."""
        return self._managed or next((type_ for type_ in PREFERRED if type_ in self._pushed), None)

    @property
    def types(self) -> list[str]:
        """Every work pool type that runs can be pushed to."""
        return sorted([*self._pushed, *([MANAGED] if MANAGED in self else [])])

    def __contains__(self, type_: str) -> bool:
        return type_ in self._ready or type_ in self._found or (type_ == MANAGED and self.managed is not None)

    def get(self, type_: str) -> Provider:
        """The provider of a work pool type. Raises `NotFoundError`, or `MissingExtraError` naming the extra."""
        if type_ not in self._ready:
            if type_ in self._found:
                self._ready[type_] = _load(self._found[type_])
            elif type_ == MANAGED and self.managed:
                self._ready[type_] = ManagedProvider(self.get(self.managed))
            else:
                raise NotFoundError(
                    f"No installed provider pushes to work pools of type {type_!r}; installed: {', '.join(self.types)}"
                )
        return self._ready[type_]


def provisioners() -> list[str]:
    """The types of work pools whose infrastructure can be made here."""
    return sorted(entry.name for entry in entry_points(group="skylift.provisioners"))


def provisioner(type_: str) -> Provisioner | None:
    """Who makes the infrastructure of this type of work pool, where anybody does. Raises `MissingExtraError`."""
    for entry in entry_points(group="skylift.provisioners", name=type_):
        made: Provisioner = _load(entry)
        return made
    return None


def platform(name: str) -> Any:
    """The platform of this name: how Skylift itself is run."""
    for entry in entry_points(group="skylift.platforms", name=name):
        return _load(entry)
    raise NotFoundError(f"There is no platform named {name!r}")


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        extra = entry.value.partition(":")[0].removeprefix("skylift_").partition(".")[2] or entry.name
        raise MissingExtraError(
            f"{entry.name!r} needs a package that is not installed ({error.name}): pip install 'skylift[{extra}]'"
        ) from error
