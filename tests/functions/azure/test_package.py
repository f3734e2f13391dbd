"""The package: laid out as Azure wants it, without what no function uses, the same from the same files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import package_aws
import package_azure
from tests.functions.aws.test_package import add


def test_it_has_the_app_at_the_top_and_the_rest_where_azure_looks_for_it(tmp_path: Path) -> None:
    everything, staged = tmp_path / "everything", tmp_path / "staged"
    for name in ("skylift", "click", "fastapi"):
        add(everything, name, [f"{name}/__init__.py"])
    package_azure.lay_out(everything, staged)
    libraries = Path(package_azure.LIBRARIES)
    files = {path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file()}
    assert {"host.json", "function_app.py", f"{libraries}/skylift/__init__.py"} <= files
    assert f"{libraries}/skylift-1.dist-info/entry_points.txt" in files  # providers are found by them
    assert f"{libraries}/fastapi/__init__.py" in files
    assert not [each for each in files if "/click" in each]
    assert json.loads((staged / "host.json").read_text())["version"] == "2.0"


def test_the_same_files_make_the_same_archive_and_compiled_files_say_where_they_will_be(tmp_path: Path) -> None:
    archives = []
    for number in range(2):
        everything, staged = tmp_path / f"everything-{number}", tmp_path / f"staged-{number}"
        add(everything, "skylift", ["skylift/__init__.py"])
        (everything / "skylift" / "__init__.py").write_text("raise ValueError\n")
        package_azure.lay_out(everything, staged)
        assert package_aws.compile_all(staged / package_azure.LIBRARIES, sys.executable, package_azure.DEPLOYED)
        package_aws.write_zip(staged, tmp_path / f"{number}.zip")
        archives.append((tmp_path / f"{number}.zip").read_bytes())
    assert archives[0] == archives[1]
    compiled = next((tmp_path / "staged-0").rglob("*.pyc"))
    failed = subprocess.run([sys.executable, str(compiled)], capture_output=True, text=True, timeout=30)
    assert f'File "{package_azure.DEPLOYED}/skylift/__init__.py"' in failed.stderr
