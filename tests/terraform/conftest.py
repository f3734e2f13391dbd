"""Terraform, and stand-ins for the providers that serve what the modules name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.terraform.workspace import TERRAFORM, Workspace, binary, providers, types_in

Open = Callable[[Path], Workspace]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment that terraform runs in."""
    binary()
    with providers(types_in([TERRAFORM]), tmp_path_factory.mktemp("providers")) as env:
        yield env


@pytest.fixture
def workspace(served: Mapping[str, str], tmp_path: Path) -> Open:
    def opened(folder: Path) -> Workspace:
        return Workspace(folder, served, tmp_path)

    return opened
