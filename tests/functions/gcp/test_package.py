"""The source archive: the same files make the same one, pip takes it, and every function is in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import package_gcp
from package_aws import write_zip
from skylift_functions.gcp import PLATFORM
from tests.clouds.google_functions import SOURCE


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    made = tmp_path / "skylift-1-py3-none-any.whl"
    made.write_bytes(b"a wheel")
    return made


def test_the_same_files_make_the_same_archive(wheel: Path, tmp_path: Path) -> None:
    zips = []
    for number in range(2):
        package_gcp.stage(tmp_path / f"source-{number}", wheel)
        target = tmp_path / f"{number}.zip"
        write_zip(tmp_path / f"source-{number}", target)
        zips.append(target.read_bytes())
    assert zips[0] == zips[1]


def test_everything_that_is_installed_has_a_hash(wheel: Path, tmp_path: Path) -> None:
    package_gcp.stage(tmp_path / "source", wheel)
    lines = (tmp_path / "source" / "requirements.txt").read_text().splitlines()
    assert lines[-1] == f"./{wheel.name} --hash=sha256:{hashlib.sha256(b'a wheel').hexdigest()}"
    pinned = [line for line in lines if not line.startswith((" ", "#"))]
    assert len(pinned) > 50
    assert sum("--hash=" in line for line in lines) >= len(pinned)
    for needed in ("functions-framework==", "google-cloud-tasks==", "google-cloud-run==", "psycopg-binary=="):
        assert any(line.startswith(needed) for line in pinned)


def test_every_function_is_a_target(tmp_path: Path) -> None:
    targets: dict[str, object] = {}
    exec(SOURCE.read_text(), targets)
    assert targets["TARGETS"] == tuple(each.name for each in PLATFORM.functions)
