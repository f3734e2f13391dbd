"""SDKs come with extras: each is imported where it is used, and missed with a word on how to get it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from skylift.provider import Rejected


def sdk(module: str, *, extra: str) -> Any:
    """The module. Raises `Rejected`, naming the extra, where its package is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise Rejected(
            f"The package that this work pool is served with is not installed ({error.name})",
            remedy=f"pip install 'skylift[{extra}]', where Skylift itself runs",
        ) from error


def is_installed(module: str) -> bool:
    """Whether `sdk` would find it; imports no more than its parent packages."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
