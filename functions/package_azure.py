"""`make package`: the function app's package for Azure, `dist/skylift-azure.zip`, the same to the byte each time.

In stages as for AWS: install, leave out, compile, zip, measure. Azure wants host.json and function_app.py at the top
and what they import in `.python_packages`; the package is deployed as it is, without a build over there.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
from pathlib import Path

from package_aws import CLI_ONLY, PYTHON, ROOT, compile_all, install, print_sizes, stage, write_zip

ARCHIVE = ROOT / "dist" / "skylift-azure.zip"
TOP = ROOT / "functions" / "skylift_functions" / "azure" / "root"
LIBRARIES = ".python_packages/lib/site-packages"
DEPLOYED = f"/home/site/wwwroot/{LIBRARIES}"


def main() -> None:
    """Build it, and print its size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=f"python{PYTHON}", help="compiles; the version that the app runs on")
    asked = parser.parse_args()
    ARCHIVE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="skylift-package-") as folder:
        everything, staged = Path(folder) / "everything", Path(folder) / "staged"
        install(everything, "azure")
        lay_out(everything, staged)
        compiled = compile_all(staged / LIBRARIES, asked.python, DEPLOYED)
        write_zip(staged, ARCHIVE)
        unpacked = sum(path.stat().st_size for path in staged.rglob("*") if path.is_file())
    name_by_content()
    print_sizes([("azure", ARCHIVE, unpacked)], compiled=compiled)


def name_by_content() -> None:
    """A second time, under a name that changes with it: by that Terraform's provider sees that it is another one."""
    for each in ARCHIVE.parent.glob("skylift-azure-*.zip"):
        each.unlink()
    digest = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()[:12]
    shutil.copyfile(ARCHIVE, ARCHIVE.with_name(f"skylift-azure-{digest}.zip"))


def lay_out(everything: Path, staged: Path) -> None:
    """As Azure wants it. All functions share the package, so that only the command line is of no use to any."""
    stage(everything, staged / LIBRARIES, CLI_ONLY)
    for each in ("host.json", "function_app.py"):
        shutil.copyfile(TOP / each, staged / each)


if __name__ == "__main__":
    main()
