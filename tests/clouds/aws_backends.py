"""Two independent stand-ins for the rest of AWS (task definitions, networks, roles, secrets, logs, buckets), each a
process of its own: ministack, and moto as a second opinion."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

ACCOUNT, REGION = "000000000000", "eu-central-1"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
PATIENCE = 60.0


class Backend:
    """Subclasses say how it is started, and where it is emptied."""

    name: str
    reset_path: str

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def __enter__(self) -> Self:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._process = subprocess.Popen(
            self.command(),
            env={**kept, **self.environment()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
        self.close()
        raise RuntimeError(f"{self.name} did not start")

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients = {}
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)

    def reset(self) -> None:
        """Forget everything."""
        request = urllib.request.Request(self.url + self.reset_path, method="POST", data=b"")
        urllib.request.urlopen(request, timeout=10).read()

    def client(self, service: str) -> Any:
        """A client past the proxy, for tests and for the local cloud itself: an administrator's."""
        with self._lock:  # making one is not safe beside another
            if service not in self._clients:
                config = Config(retries={"total_max_attempts": 3}, max_pool_connections=64)
                made = boto3.client(service, endpoint_url=self.url, region_name=REGION, config=config, **KEYS)
                self._clients[service] = made
            return self._clients[service]


class Ministack(Backend):
    name = "ministack"
    reset_path = "/_ministack/reset"

    def command(self) -> list[str]:
        return [str(Path(sys.executable).with_name("ministack"))]

    def environment(self) -> dict[str, str]:
        return {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port), "LOG_LEVEL": "ERROR"}


class Moto(Backend):
    name = "moto"
    reset_path = "/moto-api/reset"

    def command(self) -> list[str]:
        return [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(self.port)]


BACKENDS = {each.name: each for each in (Ministack, Moto)}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
