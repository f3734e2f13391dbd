"""Docker where nothing is to be pulled or pushed: a command that notes what it is called with, and an engine that notes
what is built and pushed."""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.conftest import ROOT
from tests.clouds.http_cloud import Answer, HttpCloud, Request

VENV = ROOT / ".venv-prefect" / "bin"
COMMAND = """\
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
told = sys.stdin.read() if "--password-stdin" in sys.argv else ""
with open(os.path.join(here, "docker.calls"), "a") as calls:
    calls.write(json.dumps({"argv": sys.argv[1:], "stdin": told}) + "\\n")
sys.stderr.write(os.environ.get("DOCKER_SAYS", ""))
sys.exit(1 if "DOCKER_SAYS" in os.environ else 0)
"""


@dataclass(frozen=True)
class Tools:
    """A folder for PATH, with `docker` in it, and `prefect`, which is the real one."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> Tools:
        folder.mkdir()
        (folder / "docker.py").write_text(COMMAND)
        docker = folder / "docker"
        docker.write_text(f'#!/bin/sh\nexec {sys.executable} {folder / "docker.py"} "$@"\n')
        docker.chmod(0o755)
        (folder / "prefect").symlink_to(VENV / "prefect")
        return cls(folder)

    def docker_calls(self) -> list[dict[str, Any]]:
        """Each with its `argv` and `stdin`."""
        noted = self.folder / "docker.calls"
        return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []


class DockerEngine(HttpCloud):
    """As much of its API as building and pushing takes."""

    def __init__(self) -> None:
        super().__init__()
        self.built: dict[str, list[str]] = {}
        """The files in what was sent to be built, by the image's name."""
        self.platforms: dict[str, str] = {}
        self.pushed: list[str] = []

    @property
    def host(self) -> str:
        """For DOCKER_HOST."""
        return self.url.replace("http://", "tcp://")

    def answer(self, request: Request) -> Answer:
        path = re.sub(r"^/v[\d.]+", "", request.path)
        if path in ("/_ping", "/version"):
            return Answer(body={"ApiVersion": "1.47", "Version": "27.0", "MinAPIVersion": "1.24"})
        if path == "/build":
            return self._build(request)
        pushed = re.fullmatch(r"/images/(.+)/push", path)
        if pushed:
            self.pushed.append(f"{pushed[1]}:{request.query['tag']}")
            return Answer(body=_lines({"status": "Pushed"}))
        return Answer(404, {"message": f"page not found: {path}"})

    def _build(self, request: Request) -> Answer:
        name = request.query["t"]
        with tarfile.open(fileobj=io.BytesIO(request.body)) as context:
            self.built[name] = context.getnames()
        self.platforms[name] = request.query.get("platform", "")
        return Answer(body=_lines({"stream": "Step 1/1\n"}, {"aux": {"ID": "sha256:" + "0" * 64}}))


def _lines(*events: dict[str, Any]) -> Iterator[bytes]:
    return iter([json.dumps(each).encode() + b"\n" for each in events])
