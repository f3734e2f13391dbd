"""Storage queues: Microsoft's own emulator, Azurite, from npm; installed once, into `.azurite` beside `.venv`."""

from __future__ import annotations

import fcntl
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.storage.queue import QueueServiceClient

VERSION = "3.35.0"
FOLDER = Path(__file__).resolve().parents[2] / ".azurite"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's account and key, the same everywhere, by its documentation."""


@dataclass(frozen=True, slots=True)
class Azurite:
    """One storage account."""

    port: int

    @property
    def connection_string(self) -> str:
        where = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={where};"

    def service(self) -> Any:
        return QueueServiceClient.from_connection_string(self.connection_string)

    def empty(self) -> None:
        """Without any queue."""
        service = self.service()
        for each in list(service.list_queues()):
            service.delete_queue(each.name)


@contextmanager
def azurite(folder: Path) -> Iterator[Azurite]:
    program, port = _installed(), _free_port()
    with (folder / "azurite.log").open("wb") as log:
        words = [str(program), "--queueHost", "127.0.0.1", "--queuePort", str(port)]
        quietly = ["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent"]
        process = subprocess.Popen([*words, *quietly], cwd=folder, stdout=log, stderr=log)
    try:
        _wait(port, process)
        yield Azurite(port)
    finally:
        process.terminate()
        process.wait(20)


def _installed() -> Path:
    program = FOLDER / "node_modules" / ".bin" / "azurite-queue"
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes may come here side by side
        if not program.exists():
            npm = shutil.which("npm")
            if not npm:
                raise RuntimeError("These tests need Node.js with npm on the PATH: Azurite is installed by it")
            quietly = ["--silent", "--no-audit", "--no-fund", "--no-package-lock"]
            words = [npm, "install", "--prefix", str(FOLDER), *quietly, f"azurite@{VERSION}"]
            subprocess.run(words, check=True, timeout=300)
    return program


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as made:
            if made.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("Azurite does not start: see azurite.log")
