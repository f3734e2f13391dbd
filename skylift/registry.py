"""Finds providers and platforms by their entry points, so that nothing is imported before it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from skylift.errors import MissingExtraError, NotFoundError
from skylift.provider import Provider


class Providers:
    """The installed providers, by work pool type."""

    def __init__(self, ready: Mapping[str, Provider] | None = None) -> None:
        self._ready: dict[str, Provider] = dict(ready or {})

    @cached_property
    def _found(self) -> Mapping[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group="skylift.providers")}

    @property
    def types(self) -> list[str]:
        """Every work pool type that runs can be pushed to."""
        return sorted({*self._found, *self._ready})

    def __contains__(self, type_: str) -> bool:
        return type_ in self._ready or type_ in self._found

    def get(self, type_: str) -> Provider:
        """The provider of a work pool type. Raises `NotFoundError`, or `MissingExtraError` naming the extra."""
        if type_ not in self._ready:
            if type_ not in self._found:
                raise NotFoundError(
                    f"No installed provider pushes to work pools of type {type_!r}; installed: {', '.join(self.types)}"
                )
            self._ready[type_] = _load(self._found[type_])
        return self._ready[type_]


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
