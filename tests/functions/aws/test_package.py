"""Packages: the same files make the same zip, and what a function has no use for stays out."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import package_aws
from skylift_functions.aws import PLATFORM


def add(folder: Path, name: str, files: list[str]) -> None:
    """An installed distribution."""
    about = f"{name}-1.dist-info"
    record = [*files, f"{about}/METADATA", f"{about}/entry_points.txt"]
    for path in record:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (folder / about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (folder / about / "RECORD").write_text("".join(f"{path},,\n" for path in record))


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    folder = tmp_path / "everything"
    add(folder, "skylift", ["skylift/__init__.py", "bin/skylift"])
    add(folder, "fastapi", ["fastapi/__init__.py"])
    services = ["botocore/data/ecs/2014/model.json", "botocore/data/sagemaker/2017/model.json", "botocore/data/x.json"]
    add(folder, "botocore", services)
    return folder


def test_what_a_function_has_no_use_for_stays_out_and_entry_points_stay(everything: Path, tmp_path: Path) -> None:
    package_aws.stage(everything, tmp_path / "dispatch", package_aws.LEFT_OUT["dispatch"])
    staged = tmp_path / "dispatch"
    files = {path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file()}
    assert files == {
        "skylift/__init__.py",
        "skylift-1.dist-info/METADATA",
        "skylift-1.dist-info/entry_points.txt",
        "botocore/data/ecs/2014/model.json",
        "botocore/data/x.json",
        "botocore-1.dist-info/METADATA",
        "botocore-1.dist-info/entry_points.txt",
    }


def test_the_same_files_make_the_same_zip(everything: Path, tmp_path: Path) -> None:
    zips = []
    for number in range(2):
        for path in sorted(everything.rglob("*"), reverse=bool(number)):
            path.touch()
        target = tmp_path / f"{number}.zip"
        package_aws.write_zip(everything, target)
        zips.append(target.read_bytes())
    assert zips[0] == zips[1]
    with zipfile.ZipFile(tmp_path / "0.zip") as archive:
        assert not archive.testzip()


def test_every_function_has_a_package() -> None:
    assert set(package_aws.LEFT_OUT) == {each.name for each in PLATFORM.functions}
