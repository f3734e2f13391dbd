"""The runner as a real process against a control plane on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skylift.bootstrap import runner_source
from tests.runner.control_plane import Attempt, ControlPlane


def interpreters() -> list[str]:
    """Every Python from 3.8 to 3.13 that is here, this one first."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in range(8, 14):
        version = f"3.{minor}"
        path = shutil.which(f"python{version}")
        candidates = [str(one / "bin" / "python") for one in sorted(pyenv.glob(f"{version}.*"))] + (
            [path] if path else []
        )
        for candidate in candidates:
            if version not in found and _works(candidate):
                found[version] = candidate
    return list(found.values())


def _works(python: str) -> bool:
    try:
        return (
            subprocess.run([python, "-I", "-c", "import ssl"], capture_output=True, check=False, timeout=20).returncode
            == 0
        )
    except OSError:
        return False


@dataclass
class Ended:
    """A runner's process after its end."""

    code: int
    output: str


class Runners:
    """Starts runners and leaves none behind."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane, self.folder = plane, folder
        self.file = folder / "runner.py"
        self.file.write_bytes(runner_source())
        self.started: dict[subprocess.Popen[bytes], Path] = {}

    def start(
        self, attempt: Attempt, *, argv: list[str] | None = None, patch: str = "", env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """`patch` is Python that runs first and may change the module, as `runner`."""
        if patch:
            load = f"import sys; sys.path.insert(0, {str(self.folder)!r}); import runner\n{patch}\n"
            argv = [sys.executable, "-c", f"{load}sys.exit(runner.main())"]
        given = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        given.update(SKYLIFT_API_URL=self.plane.url, SKYLIFT_ATTEMPT=attempt.id, SKYLIFT_NONCE="secret-nonce")
        given.update({"TMPDIR": str(self.folder / "tmp"), **(env or {})})
        output = self.folder / f"output-{len(self.started)}"  # a file: nobody has to read on
        with output.open("wb") as stdout:
            process = subprocess.Popen(
                argv or [sys.executable, str(self.file)],
                env=given,
                cwd=self.folder / "work",
                stdout=stdout,
                stderr=subprocess.STDOUT,
            )
        self.started[process] = output
        return process

    def run(self, attempt: Attempt, **options: Any) -> Ended:
        return self.wait(self.start(attempt, **options))

    def wait(self, process: subprocess.Popen[bytes], seconds: float = 30) -> Ended:
        process.wait(timeout=seconds)
        return Ended(process.returncode, self.started[process].read_text(errors="replace"))


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def runners(plane: ControlPlane, tmp_path: Path) -> Iterator[Runners]:
    for name in ("tmp", "work"):
        (tmp_path / name).mkdir()
    runners = Runners(plane, tmp_path)
    yield runners
    for process in runners.started:
        if process.poll() is None:
            process.kill()
        process.wait()
    assert list((tmp_path / "tmp").iterdir()) == [], "the runner left its temporary folder behind"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Put a file into the folder `code` and name that folder."""

    def put(text: str, name: str = "flows.py") -> str:
        path = tmp_path / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(tmp_path / "code")

    return put
