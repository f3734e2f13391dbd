"""Someone's terminal, signed in to a cloud, before a service that pushes into it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import httpx

from tests.support.service import client_environment, serving


@dataclass(frozen=True)
class Desk:
    """A subclass adds its cloud."""

    block_variable: ClassVar[str]
    """The variable of the template whose default is the pool's credentials block."""
    env: dict[str, str]
    api: httpx.Client
    folder: Path
    """For what somebody writes there."""

    def types(self, *command: str, code: int = 0, more: Mapping[str, str] | None = None) -> str:
        """What it says; there is no terminal to ask on."""
        done = subprocess.run(
            command,
            env={**self.env, **(more or {})},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=100,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def skylift(self, *args: str, code: int = 0, more: Mapping[str, str] | None = None) -> str:
        return self.types(sys.executable, "-m", "skylift", *args, code=code, more=more)

    def pool(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"work_pools/{name}").json()
        return found

    def block_of(self, pool: dict[str, Any]) -> dict[str, Any]:
        """The data of the pool's credentials block, secrets masked."""
        default = pool["base_job_template"]["variables"]["properties"][self.block_variable]["default"]
        found: dict[str, Any] = self.api.get(f"block_documents/{default['$ref']['block_document_id']}").json()["data"]
        return found


PATIENCE = 60.0
"""Seconds that a service has for cleaning up after the last run."""


@contextmanager
def at_a_service(
    folder: Path, service: Mapping[str, str], person: Mapping[str, str], left: Callable[[], list[str]]
) -> Iterator[tuple[dict[str, str], httpx.Client]]:
    """The environment of a person's commands and a client of the API, for a service with these variables besides. It
    goes on until nothing is `left` of its runs in the cloud."""
    with serving(folder, **service) as ready:
        env = {**client_environment(ready.url, folder), **person}
        env |= {"SKYLIFT_API_URL": ready.url, "SKYLIFT_HOME": str(folder / "client")}
        with httpx.Client(base_url=ready.url, timeout=30) as api:
            yield env, api
        until = time.monotonic() + PATIENCE
        while left() and time.monotonic() < until:
            time.sleep(0.1)
