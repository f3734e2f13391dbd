"""What there is to test: every module, and every example of it."""

from __future__ import annotations

from pathlib import Path

from tests.terraform.workspace import TERRAFORM


def modules() -> list[Path]:
    """Folders with a configuration that others use."""
    folders = {each.parent for each in TERRAFORM.rglob("versions.tf")}
    return sorted(each for each in folders if "examples" not in each.parts and ".terraform" not in each.parts)


def examples() -> list[Path]:
    """Folders with a configuration as a user has it."""
    return sorted({each.parent for each in TERRAFORM.glob("**/examples/*/*.tf")})


def name_of(folder: Path) -> str:
    return folder.relative_to(TERRAFORM).as_posix()
