"""Terraform, and stand-ins for the providers that serve what the modules name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from skylift_functions.aws import PLATFORM
from tests.terraform.workspace import TERRAFORM, Workspace, binary, providers, types_in

Open = Callable[[Path], Workspace]


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make package` makes, by name: nobody looks into them here, so they need not be built."""
    folder = tmp_path_factory.mktemp("dist")
    for function in PLATFORM.functions:
        (folder / f"skylift-aws-{function.name}.zip").write_text(function.name)
    return folder


@pytest.fixture(scope="session")
def served(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment that terraform runs in; every module that wants packages is given them."""
    binary()
    with providers(types_in([TERRAFORM]), tmp_path_factory.mktemp("providers")) as env:
        yield {**env, "TF_VAR_packages_dir": str(packages)}


@pytest.fixture
def workspace(served: Mapping[str, str], tmp_path: Path) -> Open:
    def opened(folder: Path) -> Workspace:
        return Workspace(folder, served, tmp_path)

    return opened
