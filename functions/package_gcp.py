"""`make package`: the source archive for Cloud Run functions, `dist/skylift-gcp.zip`, the same to the byte each time.

Google builds an image of it, with what `requirements.txt` pins. One archive serves all four functions: one is told from
another by its target alone, and a process imports just that. Skylift itself is in it as a wheel, and so installed like
everything else, entry points included.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from package_aws import LIMIT, PLATFORMS, PYTHON, ROOT, write_zip

ARCHIVE = ROOT / "dist" / "skylift-gcp.zip"
PINS = ROOT / "requirements" / "gcp.txt"


def main() -> None:
    """Build it, install it as Google does, and print sizes."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="skylift-package-") as folder:
        source, installed = Path(folder) / "source", Path(folder) / "installed"
        ARCHIVE.parent.mkdir(exist_ok=True)
        stage(source, build_wheel(Path(folder)))
        write_zip(source, ARCHIVE)
        install(source, installed)
        print_sizes(installed)


def build_wheel(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("skylift-*.whl")
    return wheel


def stage(folder: Path, wheel: Path) -> None:
    """What is uploaded."""
    folder.mkdir()
    shutil.copyfile(ROOT / "functions" / "gcp_source" / "main.py", folder / "main.py")
    shutil.copyfile(wheel, folder / wheel.name)
    (folder / "requirements.txt").write_text(requirements(PINS.read_text(), wheel))


def requirements(pins: str, wheel: Path) -> str:
    """The pins, and Skylift's wheel beside them: where one has a hash, all have to."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{pins.rstrip()}\n./{wheel.name} --hash=sha256:{digest}\n"


def install(source: Path, target: Path) -> None:
    """As the build does, for the platform that the functions run on."""
    platform = [word for each in PLATFORMS for word in ("--platform", each)]
    version = ["--python-version", PYTHON, "--implementation", "cp", "--only-binary", ":all:"]
    where = ["--target", str(target), "--no-compile", "--require-hashes", "-r", "requirements.txt"]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, *platform, *version, *where], check=True, cwd=source)


def print_sizes(installed: Path) -> None:
    """Raises `SystemExit` where it is too large."""
    size = ARCHIVE.stat().st_size
    digest = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()
    unpacked = sum(path.stat().st_size for path in installed.rglob("*") if path.is_file())
    print("| source archive | zipped MB | installed MB | sha256 |")
    print("| -------------- | --------: | -----------: | ------ |")
    print(f"| {ARCHIVE.name} | {size / 2**20:9.1f} | {unpacked / 2**20:12.1f} | {digest[:16]} |")
    if size > LIMIT:
        raise SystemExit(f"Larger than {LIMIT / 2**20:.0f} MB: {ARCHIVE.name}")


if __name__ == "__main__":
    main()
