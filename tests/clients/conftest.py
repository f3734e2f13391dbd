"""The unmodified Prefect client, in an environment of its own, against a real `skylift serve`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import PATIENCE, client_environment, serving

ROOT = Path(__file__).resolve().parents[2]
HOST = Path(__file__).with_name("prefect_host.py")


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    env: dict[str, str]
    """For clients of this server."""
    home: Path

    def skylift(self, *args: str) -> str:
        """Our own command line."""
        command = [sys.executable, "-m", "skylift", *args]
        return subprocess.run(command, env=self.env, cwd=self.home, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of these tests: each uses names of its own."""
    home = tmp_path_factory.mktemp("clients")
    path = f"{os.environ['PATH']}:{ROOT / '.venv-prefect' / 'bin'}"
    with serving(home, PATH=path) as ready:
        env = client_environment(ready.url, home)
        yield Server(ready.url, env | {"SKYLIFT_HOME": str(home / "client"), "SKYLIFT_API_URL": ready.url}, home)


@dataclass(frozen=True, slots=True)
class Prefect:
    """Prefect's command line, and code that uses its client."""

    host: subprocess.Popen[str]

    def __call__(self, *args: str, code: int = 0, raises: str = "") -> str:
        """What `prefect <args>` prints; it must end with this code, and with a traceback only where it `raises`."""
        said = self._ask({"args": ["--no-prompt", *args]}, 1 if raises else code)
        assert ("Traceback" in said) == bool(raises), said
        assert raises in said
        return said

    def within(self, folder: Path, *args: str) -> str:
        """What `prefect <args>` prints there; it must go well."""
        return self._ask({"args": ["--no-prompt", *args], "cwd": str(folder)}, 0)

    def python(self, source: str) -> Any:
        """The JSON that this code prints last."""
        return json.loads(self._ask({"code": source}, 0).splitlines()[-1])

    def _ask(self, order: dict[str, Any], code: int) -> str:
        assert self.host.stdin
        assert self.host.stdout
        self.host.stdin.write(json.dumps(order) + "\n")
        self.host.stdin.flush()
        answer = json.loads(self.host.stdout.readline())
        assert answer["code"] == code, f"{order}: {answer['code']}\n{answer['out']}"
        said: str = answer["out"]
        return said


@pytest.fixture(scope="session")
def prefect_python() -> Path:
    """The interpreter that has Prefect."""
    python = Path(os.environ.get("SKYLIFT_PREFECT_PYTHON", ROOT / ".venv-prefect" / "bin" / "python"))
    if not python.exists():
        pytest.fail(f"There is no Prefect at {python}; `make setup` makes it.")
    return python


@pytest.fixture(scope="session")
def prefect(server: Server, prefect_python: Path) -> Iterator[Prefect]:
    """`prefect` without the seconds that each of its starts takes."""
    with subprocess.Popen(
        [prefect_python, "-W", "ignore", HOST],
        env=server.env,
        cwd=server.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        yield Prefect(host)
        assert host.stdin
        host.stdin.close()
        assert host.wait(PATIENCE) == 0


def until(check: Callable[[], Any]) -> Any:
    """What `check` answers once that is true; it must be soon."""
    deadline = time.monotonic() + PATIENCE
    while not (found := check()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.2)
    return found
