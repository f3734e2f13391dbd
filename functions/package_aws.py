"""`make package`: a zip for each Lambda function under `dist/`, the same to the byte from the same sources.

In stages: install (the pinned wheels for Lambda's platform, and Skylift's own), leave out (what a function has no use
for; entry points stay, for providers are found by them), compile (Lambda cannot keep what it compiles), zip, measure.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from skylift_functions.aws import PLATFORM

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "3.13"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
LIMIT = 60 * 1024 * 1024
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can say."""

CLI_ONLY = frozenset(["click", "markdown-it-py", "mdurl", "pygments", "rich"])
UNUSED = frozenset(["boto3", "s3transfer"])
"""The SDK's lower half, botocore, is all that is called."""
WEB_ONLY = frozenset(
    [
        "annotated-doc",
        "anyio",
        "certifi",
        "fastapi",
        "h11",
        "httpcore",
        "httpx",
        "idna",
        "jinja2",
        "mangum",
        "starlette",
    ]
)
TEMPLATES = frozenset(["jinja2"])
MIGRATIONS_ONLY = frozenset(["alembic", "mako"])
LEFT_OUT = {
    "api": CLI_ONLY | UNUSED,
    "trigger": CLI_ONLY | UNUSED | (WEB_ONLY - TEMPLATES),
    "schedule": CLI_ONLY | UNUSED | WEB_ONLY,
    "dispatch": CLI_ONLY | UNUSED | WEB_ONLY | MIGRATIONS_ONLY,
    "observe": CLI_ONLY | UNUSED | WEB_ONLY | MIGRATIONS_ONLY,
}
SERVICES = frozenset(
    ["dsql", "ec2", "ecr", "ecs", "iam", "logs", "s3", "secretsmanager", "service-quotas", "sqs", "ssm", "sts"]
)
"""What is called in AWS; of the others the SDK's descriptions stay out, which are most of it."""


def main() -> None:
    """Build all functions, or those that are named, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("functions", nargs="*", default=[each.name for each in PLATFORM.functions])
    parser.add_argument("--python", default=f"python{PYTHON}", help="compiles; the version that the functions run on")
    asked = parser.parse_args()
    out = ROOT / "dist"
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="skylift-package-") as folder:
        everything = Path(folder) / "everything"
        install(everything)
        sizes = []
        for name in asked.functions:
            staged = Path(folder) / name
            stage(everything, staged, LEFT_OUT[name])
            compiled = compile_all(staged, asked.python)
            target = out / f"skylift-aws-{name}.zip"
            write_zip(staged, target)
            sizes.append((name, target, sum(path.stat().st_size for path in staged.rglob("*") if path.is_file())))
    print_sizes(sizes, compiled=compiled)


def install(target: Path, pins: str = "aws") -> None:
    """All that is pinned for a platform's functions, and Skylift itself."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    platform = [word for each in PLATFORMS for word in ("--platform", each)]
    where = ["--target", str(target), "--no-deps", "--no-compile"]
    pinned = ["--only-binary", ":all:", "--require-hashes", "-r", str(ROOT / "requirements" / f"{pins}.txt")]
    # pip asks what is wanted of Python of the one that it runs on itself; the pins are for the functions' own.
    lambdas = [*platform, "--python-version", PYTHON, "--implementation", "cp", "--ignore-requires-python"]
    subprocess.run([*pip, "install", *where, *lambdas, *pinned], check=True)
    with tempfile.TemporaryDirectory() as wheels:
        subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, str(ROOT)], check=True)
        (wheel,) = Path(wheels).glob("skylift-*.whl")
        subprocess.run([*pip, "install", "--upgrade", *where, str(wheel)], check=True)


def stage(everything: Path, target: Path, left_out: frozenset[str]) -> None:
    """A copy without the distributions that are left out, and without what no function reads."""
    unwanted = {path for each in installed(everything) if each.name.lower() in left_out for path in files_of(each)}
    for path in sorted(everything.rglob("*")):
        relative = path.relative_to(everything)
        if path.is_file() and relative.as_posix() not in unwanted and is_wanted(relative):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / relative)


def installed(folder: Path) -> list[Distribution]:
    return list(distributions(path=[str(folder)]))


def files_of(distribution: Distribution) -> Iterator[str]:
    for each in distribution.files or []:
        yield each.as_posix()


def is_wanted(path: Path) -> bool:
    """Scripts, caches and pip's own marks are nothing to a function; of the SDK it needs some services only."""
    parts = path.parts
    if (
        parts[0] == "bin"
        or "__pycache__" in parts
        or path.name in ("direct_url.json", "INSTALLER", "REQUESTED", "RECORD")
    ):
        return False
    if parts[:2] == ("botocore", "data") and len(parts) > 3:
        return parts[2] in SERVICES
    return True


def compile_all(folder: Path, python: str, at: str = "/var/task") -> bool:
    """Byte code that does not depend on when or where it was made; False where that Python is not here. `at`: where
    the files will be."""
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder)]
    try:
        subprocess.run([*command, "-p", at, str(folder)], check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def write_zip(folder: Path, target: Path) -> None:
    """The same files make the same zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            about = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            about.external_attr = 0o644 << 16
            about.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(about, path.read_bytes())


def print_sizes(sizes: list[tuple[str, Path, int]], *, compiled: bool) -> None:
    """Raises `SystemExit` where one is too large."""
    print(f"| {'function':9} | zipped MB | unzipped MB | sha256 |")
    print(f"| {'-' * 9} | --------: | ----------: | ------ |")
    for name, path, unzipped in sizes:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        print(f"| {name:9} | {path.stat().st_size / 2**20:9.1f} | {unzipped / 2**20:11.1f} | {digest[:16]} |")
    if not compiled:
        print(f"Not compiled, for python{PYTHON} is not here (--python PATH): each cold start takes a second longer.")
    too_large = [name for name, path, _ in sizes if path.stat().st_size > LIMIT]
    if too_large:
        raise SystemExit(f"Larger than {LIMIT / 2**20:.0f} MB: {', '.join(too_large)}")


if __name__ == "__main__":
    main()
