"""Terraform, and stand-ins for the providers that serve what the modules name."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from skylift.ui_export import export_console
from skylift_functions.aws import PLATFORM
from tests.support.service import serving
from tests.terraform.workspace import ROOT, TERRAFORM, Workspace, binary, providers, types_in

Export = Callable[[str], Path]
Open = Callable[[Path], Workspace]
TOKEN_SECRET = "as-hunter2"


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make package` makes, by name: nobody looks into them here, so they need not be built."""
    folder = tmp_path_factory.mktemp("dist")
    for function in PLATFORM.functions:
        (folder / f"skylift-aws-{function.name}.zip").write_text(function.name)
    (folder / "skylift-azure-0123456789ab.zip").write_text("azure")
    (folder / "skylift-gcp.zip").write_text("gcp")
    return folder


@pytest.fixture(scope="session")
def served(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The environment that terraform runs in; every module that wants packages is given them,
    and one that wants a token its secret."""
    binary()
    with providers(types_in([TERRAFORM]), tmp_path_factory.mktemp("providers")) as env:
        yield {**env, "TF_VAR_packages_dir": str(packages), "TF_VAR_token_secret": TOKEN_SECRET}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the API of a real service."""
    with serving(tmp_path_factory.mktemp("home")) as ready:
        yield ready.url


@pytest.fixture
def skylift(service: str) -> Iterator[Mapping[str, str]]:
    """The variables of somebody who applies: the command is on the path, and a service without pools answers it."""
    yield {"SKYLIFT_API_URL": service, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"}
    for name in pools_of(service):
        httpx.delete(f"{service}/work_pools/{name}", timeout=30).raise_for_status()


def pools_of(service: str) -> list[str]:
    """The names of the service's pools."""
    found = httpx.post(f"{service}/work_pools/filter", json={}, timeout=30).raise_for_status().json()
    return [each["name"] for each in found]


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    """A folder that `skylift ui export` writes of a console as Vite lays it, which need not be built for that."""
    built = tmp_path / "built"
    (built / "assets").mkdir(parents=True)
    shutil.copy(ROOT / "console" / "index.html", built)
    shutil.copy(ROOT / "console" / "public" / "favicon.svg", built)
    (built / "assets" / "index-BH1dhhvP.js").write_text("1")
    monkeypatch.setattr("skylift.api.sites.console_folder", lambda: built)

    def export(api_url: str) -> Path:
        folder = tmp_path / f"console-{hashlib.sha256(api_url.encode()).hexdigest()[:8]}"
        export_console(folder, api_url)
        return folder

    return export


@pytest.fixture
def workspace(served: Mapping[str, str], tmp_path: Path) -> Open:
    def opened(folder: Path) -> Workspace:
        return Workspace(folder, served, tmp_path)

    return opened
