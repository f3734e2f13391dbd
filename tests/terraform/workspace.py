"""Running the real `terraform` in a folder, as its user does, with stand-ins for the vendors' providers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "terraform"
VENV = ROOT / ".venv-terraform"
LONGEST = 300.0
"""Seconds that one command may take."""


class MissingError(Exception):
    """Something that these tests need is not here, so nothing was tested."""


def binary() -> str:
    """Where `terraform` is. Raises `MissingError`: what cannot be tested has not passed."""
    found = shutil.which("terraform")
    if not found:
        raise MissingError("There is no `terraform` on the PATH: install version 1.11 or later, and run this again")
    return found


def types_in(folders: Iterable[Path]) -> set[str]:
    """The types of resources and data sources that are named there."""
    named = re.compile(r'^\s*(?:resource|data|override_data|override_resource)\s+"(\w+)"', re.M)
    files = (each for folder in folders for ending in ("*.tf", "*.tftest.hcl") for each in folder.rglob(ending))
    return {name for file in files for name in named.findall(file.read_text())}


@contextmanager
def providers(types: Iterable[str], scratch: Path) -> Iterator[Mapping[str, str]]:
    """The environment of a terraform that is served with these types. Raises `MissingError`."""
    python = VENV / "bin" / "python"
    if not (VENV / ".done").exists():
        raise MissingError("There is no .venv-terraform: run `make test-terraform`, which makes it")
    wanted = scratch / "types"
    wanted.write_text("\n".join(sorted(types)))
    command = [str(python), "-m", "tests.terraform.providers", str(VENV / "schemas"), str(wanted)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        attach = process.stdout.readline().strip()
        assert attach, "the stand-ins for the providers did not start"
        settings = scratch / "terraform.rc"
        settings.write_text("disable_checkpoint = true\n")
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        yield kept | {
            "TF_REATTACH_PROVIDERS": attach,
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
        }
        assert process.stdin
        process.stdin.close()
        process.wait(timeout=30)


class TerraformError(AssertionError):
    """A command ended with an error; the message is what it said."""


@dataclass(frozen=True)
class Workspace:
    """A folder with a configuration, and a place outside for what terraform keeps."""

    folder: Path
    env: Mapping[str, str]
    scratch: Path

    def run(self, *words: str, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
        """What the command printed. Raises `TerraformError`."""
        done = subprocess.run(
            [binary(), *words],
            cwd=self.folder,
            env={**self.env, "TF_DATA_DIR": str(self.scratch / "data"), **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        if done.returncode:
            raise TerraformError(f"terraform {' '.join(words)} in {self.folder}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def init(self) -> str:
        return self.run("init", "-no-color")

    def validate(self) -> str:
        return self.run("validate", "-no-color")

    def plan(self, *words: str) -> dict[str, Any]:
        """The plan, as `terraform show -json` has it. Raises `TerraformError`."""
        file = str(self.scratch / "plan")
        state = f"-state={self.scratch / 'state'}"
        self.run("plan", "-no-color", "-lock=false", state, f"-out={file}", *words)
        found: dict[str, Any] = json.loads(self.run("show", "-json", file))
        return found

    def apply(self, *words: str, env: Mapping[str, str] | None = None) -> str:
        """What was said; the state is kept outside of the folder. Raises `TerraformError`."""
        state = f"-state={self.scratch / 'state'}"
        return self.run("apply", "-auto-approve", "-no-color", "-lock=false", state, *words, env=env)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.scratch / "state").read_text())
        return found

    def test(self, *words: str) -> str:
        return self.run("test", "-no-color", *words)


def planned_resources(plan: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a plan would make, by address: its values, as far as they are known."""
    return {
        change["address"]: change["change"]["after"] or {}
        for change in plan["resource_changes"]
        if change["mode"] == "managed" and change["change"]["actions"] != ["no-op"]
    }
