"""What the command line remembers between calls: a small JSON file in the home folder."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import click


def _file() -> Path:
    from skylift.cli.embedded import settings

    return settings().home / "profile.json"


def _read() -> dict[str, Any]:
    with suppress(OSError, ValueError):
        value = json.loads(_file().read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
    return {}


def default_pool() -> str | None:
    """The work pool for deployments that name none."""
    name = _read().get("default_work_pool")
    return name if isinstance(name, str) else None


def set_default_pool(name: str) -> None:
    """Remember a pool; the file is replaced in one step."""
    file = _file()
    draft = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_text(json.dumps(_read() | {"default_work_pool": name}, indent=2) + "\n", encoding="utf-8")
        draft.replace(file)
    except OSError as error:
        raise click.ClickException(f"Cannot write {file}: {error.strerror}") from error
