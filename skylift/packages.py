"""The packages that a run asks for: pip installs each set of them once, into a folder named by what is in it.

A part of the runner, and served with it: standard library only, Python 3.8 and newer. Stages: find the child's
interpreter, ask it what it has, install into a temporary folder, rename it into place, put it on the child's paths.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

PACKAGES_SECONDS, PROBE_SECONDS = 600.0, 60.0
ABANDONED = 2 * PACKAGES_SECONDS  # a temporary folder as old as this is nobody's any more
PIP_LINES = 12
PREFECT_REQUIREMENT = re.compile(r"\s*prefect\s*($|[\[\s=<>!~;@(])", re.IGNORECASE)
# What an interpreter says of itself. Its working directory does not count: it is not the child's.
PROBE = """\
import sys
sys.path = [each for each in sys.path if each]
import glob, json, os, sysconfig
from importlib.util import find_spec
try:
    import ensurepip
    found = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl"))
except ImportError:
    found = []
bundled = [os.path.join(sorted(found)[-1], "pip")] if found else None
print(json.dumps({
    "path": sys.executable,
    "tag": sys.implementation.cache_tag + " " + sysconfig.get_platform(),
    "prefect": bool(find_spec("prefect")),
    "pip": ["-m", "pip"] if find_spec("pip") else bundled,
}))"""


class InstallError(Exception):
    """The packages cannot be had; the message says why, and what to change."""


def provide_packages(
    asked: dict[str, Any], command: list[str] | None, cache: str, env: dict[str, str], note: Callable[[str], None]
) -> None:
    """Install what is `asked` for (`install`: requirements; `prefect`: whether the child needs Prefect) below `cache`,
    unless it is there, and put it on the paths of `env`. `command` is the child's, None for this interpreter itself.
    Raises InstallError."""
    python = look_at(interpreter_of(command, env), env)
    wanted = sorted({each.strip() for each in asked.get("install") or []})
    for each in wanted:
        if not each or each.startswith("-"):
            raise InstallError(
                f"{each!r} among 'pip_packages' is not a package. Name packages only, such as 'pandas>=2'; options of "
                "pip's go into the job variable 'env', as PIP_EXTRA_INDEX_URL for one."
            )
    if asked.get("prefect") and not python["prefect"] and not any(map(PREFECT_REQUIREMENT.match, wanted)):
        wanted.append("prefect")
    paths = [env.get("PATH") or os.defpath, os.path.dirname(python["path"])]  # the latter for what it has installed
    if wanted:
        os.makedirs(cache, mode=0o700, exist_ok=True)
        # With the interpreter's place: the scripts that pip makes begin with it.
        content = json.dumps([sorted(wanted), python["tag"], python["path"]])
        folder = os.path.join(os.path.abspath(cache), hashlib.sha256(content.encode()).hexdigest()[:32])
        if os.path.isdir(folder):
            os.utime(folder)
            note(f"Packages are here from an earlier run: {shown_list(wanted)}")
        else:
            note(f"Installing packages: {shown_list(wanted)}")
            install(wanted, python, folder, env)
        paths.insert(0, os.path.join(folder, "bin"))
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [env.get("PYTHONPATH"), folder]))
    env["PATH"] = os.pathsep.join(paths)
    for name, value in list(env.items()):  # what the operator gave pip to get in is not for the run
        if name.startswith("PIP_") and os.environ.get(name) == value and without_users(value) != value:
            del env[name]


def interpreter_of(command: list[str] | None, env: dict[str, str]) -> str:
    """The Python that this command is going to be, as far as its first word tells; else the one on the PATH."""
    own = sys.executable or "python3"
    if not command:
        return own
    word, path = os.path.basename(str(command[0])), env.get("PATH") or os.defpath
    found = shutil.which(str(command[0]), path=path)
    if found and re.fullmatch(r"python[\d.]*", word):
        return found
    with contextlib.suppress(OSError), open(found or os.devnull, "rb") as file:
        head = re.match(rb"#! *(/\S*python[\d.]*)\s", file.readline(500))
        if head and os.access(head.group(1), os.X_OK):
            return os.fsdecode(head.group(1))
    if word == "prefect":
        return own
    return shutil.which("python3", path=path) or shutil.which("python", path=path) or own


def look_at(python: str, env: dict[str, str]) -> dict[str, Any]:
    """What this interpreter says of itself. Raises InstallError."""
    try:
        done = subprocess.run(
            [python, "-c", PROBE], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=PROBE_SECONDS,
        )  # fmt: skip
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise InstallError(
            f"The packages need a working Python, and {python!r} is none ({type(error).__name__}). "
            "Set the job variable 'env' to a PATH on which there is one."
        ) from None


def install(wanted: list[str], python: dict[str, Any], folder: str, env: dict[str, str]) -> None:
    """Raises InstallError. Of two at once for the same folder one wins, and both have it."""
    if not python["pip"]:
        raise InstallError(
            f"{python['path']!r} has no pip to install packages with: install pip for it (python -m ensurepip, or the "
            "system's package python3-pip), or an image that has it."
        )
    cache = os.path.dirname(folder)
    sweep(cache)
    temporary = tempfile.mkdtemp(prefix=".new-", dir=cache)
    try:
        run_pip(wanted, python, temporary, env)
        try:
            os.rename(temporary, folder)
        except OSError:
            if not os.path.isdir(folder):
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def run_pip(wanted: list[str], python: dict[str, Any], target: str, env: dict[str, str]) -> None:
    options = ["install", "--target", target, "--progress-bar", "off", "--no-warn-script-location", "--"]
    env = {name: value for name, value in env.items() if name not in ("PYTHONPATH", "PIP_TARGET", "PIP_PREFIX")}
    env.update(PIP_NO_INPUT="1", PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PIP_DISABLE_PIP_VERSION_CHECK="1")
    with tempfile.TemporaryFile() as said:  # a pipe would have to wait for whatever else holds it
        try:
            code = subprocess.run(
                [python["path"], *python["pip"], *options, *wanted], cwd=os.path.dirname(target), env=env,
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, timeout=PACKAGES_SECONDS,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            raise InstallError(
                f"pip took more than {PACKAGES_SECONDS:.0f} s to install {shown_list(wanted)}. "
                "Ask for fewer packages, or for ones that need not be built."
            ) from None
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    if code:
        last = without_users("\n".join(line[:500] for line in lines[-PIP_LINES:]))
        raise InstallError(
            f"pip could not install {shown_list(wanted)} (exit code {code}). Correct the job variable "
            f"'pip_packages', or see that the package index can be reached from here.\nLast lines:\n{last}"
        )


def sweep(cache: str) -> None:
    """Remove what installations left behind that were killed."""
    for name in os.listdir(cache):
        path = os.path.join(cache, name)
        with contextlib.suppress(OSError):
            if name.startswith(".new-") and time.time() - os.stat(path).st_mtime > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)


def without_users(text: str) -> str:
    """URLs in it lose user and password."""
    return re.sub(r"//[^/@\s]*@", "//", text)


def shown_list(wanted: list[str]) -> str:
    return without_users(", ".join(wanted))
