"""Packages that a run asks for: installed once, reused, and reported on when they cannot be had."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skylift import packages
from tests.runner.conftest import Runners, interpreters
from tests.runner.control_plane import Attempt, ControlPlane
from tests.runner.wheels import make_wheel

IMPORTS = "import tinyhello\ndef go(): print(tinyhello.VERSION, tinyhello.__file__)\n"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "packages"


@pytest.fixture
def env(tmp_path: Path, cache: Path) -> dict[str, str]:
    """For runners: pip sees our own wheels and no index."""
    make_wheel(tmp_path / "wheels", "tinyhello")
    make_wheel(tmp_path / "wheels", "tinyhello", "2.0")
    make_wheel(tmp_path / "wheels", "prefect", source="def main(): print('Prefect was here')\n", command="prefect")
    return {"PIP_FIND_LINKS": str(tmp_path / "wheels"), "PIP_NO_INDEX": "1", "SKYLIFT_PACKAGES": str(cache)}


@pytest.fixture
def run(
    plane: ControlPlane, runners: Runners, write: Callable[..., str], env: dict[str, str]
) -> Callable[..., Attempt]:
    def run(install: list[str], *, argv: list[str] | None = None, prefect: bool = False, **terms: Any) -> Attempt:
        given = {"entrypoint": "flows.py:go", "code": [{"path": write(IMPORTS)}], **terms}
        attempt = plane.attempt(packages={"install": install, "prefect": prefect}, **given)
        assert runners.run(attempt, env=env, argv=argv).code == 0
        assert attempt.end
        return attempt

    return run


def kept(cache: Path) -> list[str]:
    return [each.name for each in cache.iterdir()]


def test_a_package_is_installed_once_and_reused(run: Callable[..., Attempt], cache: Path) -> None:
    first, second = run(["tinyhello==1.0"]), run([" tinyhello==1.0"])
    assert first.messages("stdout") == second.messages("stdout")
    [printed] = first.messages("stdout")
    assert printed.startswith("1.0 ")
    [folder] = kept(cache)
    assert str(cache / folder) in printed
    assert first.messages("skylift.runner") == ["Installing packages: tinyhello==1.0"]
    assert second.messages("skylift.runner") == ["Packages are here from an earlier run: tinyhello==1.0"]


def test_another_set_is_another_folder(run: Callable[..., Attempt], cache: Path) -> None:
    assert run(["tinyhello==1.0"]).messages("stdout")[0].startswith("1.0 ")
    assert run(["tinyhello"]).messages("stdout")[0].startswith("2.0 ")
    assert len(kept(cache)) == 2


def test_what_pip_says_is_the_reason_and_nothing_is_kept(run: Callable[..., Attempt], cache: Path) -> None:
    attempt = run(["tinyhello", "there-is-no-such-package"])
    assert attempt.end
    assert attempt.end["outcome"] == "failed"
    assert "pip could not install there-is-no-such-package, tinyhello (exit code 1)" in attempt.end["reason"]
    assert "'pip_packages'" in attempt.end["reason"]
    assert "No matching distribution found for there-is-no-such-package" in attempt.end["reason"]
    assert "RUNNING" not in attempt.states
    assert kept(cache) == []


def test_an_option_is_not_a_package(run: Callable[..., Attempt]) -> None:
    end = run(["--index-url=https://example.com"]).end
    assert end
    assert end["outcome"] == "failed"
    assert "options of pip's go into the job variable 'env'" in end["reason"]


def test_without_a_cache_it_goes_with_the_run(
    plane: ControlPlane, runners: Runners, write: Callable[..., str], env: dict[str, str], tmp_path: Path
) -> None:
    del env["SKYLIFT_PACKAGES"]
    terms = {"entrypoint": "flows.py:go", "code": [{"path": write(IMPORTS)}]}
    attempt = plane.attempt(packages={"install": ["tinyhello"], "prefect": False}, **terms)
    runners.run(attempt, env=env)
    assert str(tmp_path / "tmp") in attempt.messages("stdout")[0]


def test_prefect_is_brought_where_it_is_missing(
    run: Callable[..., Attempt], env: dict[str, str], tmp_path: Path, cache: Path
) -> None:
    env["PATH"] = str(tmp_path)
    attempt = run([], prefect=True, kind="prefect", command=["prefect", "flow-run", "execute"])
    assert attempt.messages("skylift.runner") == ["Installing packages: prefect"]
    assert attempt.end
    assert attempt.end["exit_code"] == 0
    assert "Prefect was here" in attempt.end["reason"]
    [folder] = kept(cache)
    assert (cache / folder / "bin" / "prefect").exists()


def test_a_run_that_names_its_prefect_gets_that_one(
    run: Callable[..., Attempt], env: dict[str, str], tmp_path: Path
) -> None:
    env["PATH"] = str(tmp_path)
    attempt = run(["prefect == 1.0"], prefect=True, kind="prefect", command=["prefect"])
    assert attempt.messages("skylift.runner") == ["Installing packages: prefect == 1.0"]


@pytest.mark.long
@pytest.mark.parametrize("python", interpreters()[1:], ids=lambda path: Path(path).parents[1].name)
def test_every_python_that_the_runner_knows(run: Callable[..., Attempt], python: str, tmp_path: Path) -> None:
    attempt = run(["tinyhello"], argv=[python, str(tmp_path / "runner.py")])
    assert attempt.end == {**(attempt.end or {}), "outcome": "completed"}


def test_an_interpreter_without_pip_uses_the_one_that_python_brings(env: dict[str, str], tmp_path: Path) -> None:
    python = tmp_path / "bare" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    given = {**os.environ, **env, "PATH": str(python.parent)}
    packages.provide_packages({"install": ["tinyhello"]}, ["python"], env["SKYLIFT_PACKAGES"], given, print)
    done = subprocess.run([python, "-c", "import tinyhello"], env=given, check=False)
    assert done.returncode == 0


def test_two_at_once_share_what_the_first_has_made(env: dict[str, str], cache: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys; from skylift.packages import provide_packages as provide; env = dict(os.environ); "
        f"provide({{'install': ['tinyhello']}}, None, {str(cache)!r}, env, print); print(env['PYTHONPATH'])"
    )
    given = {**os.environ, **env}
    given.pop("PYTHONPATH", None)
    root = Path(packages.__file__).parents[1]
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=given, cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=60)[0].splitlines()[-1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(set(said)) == 1
    assert kept(cache) == [Path(said[0]).name]


def test_credentials_of_the_operator_are_neither_shown_nor_passed_on(
    run: Callable[..., Attempt], env: dict[str, str], write: Callable[..., str], plane: ControlPlane
) -> None:
    env["PIP_EXTRA_INDEX_URL"] = "http://ann:hunter2@127.0.0.1:1/simple"
    shows = "import os, tinyhello\ndef go(): print('PIP_EXTRA_INDEX_URL' in os.environ, 'PIP_NO_INDEX' in os.environ)\n"
    write(shows, "shows.py")
    assert run(["tinyhello"], entrypoint="shows.py:go").messages("stdout") == ["False True"]
    failed = run(["nothing-at-all @ http://ann:hunter2@127.0.0.1:1/nothing.whl"])
    assert failed.end
    assert failed.end["outcome"] == "failed"
    assert "hunter2" not in json.dumps([call.body for call in plane.calls])


@pytest.mark.parametrize(
    ("script", "expected"),
    [("#!{python}\nprint(1)\n", "{python}"), ("#!/bin/sh\n", "{own}"), ("\x7fELF", "{own}")],
)
def test_the_interpreter_is_the_commands_own(script: str, expected: str, tmp_path: Path) -> None:
    python = tmp_path / "python3.9"
    shutil.copy("/bin/true", python)
    (tmp_path / "prefect").write_text(script.format(python=python))
    (tmp_path / "prefect").chmod(0o755)
    found = packages.interpreter_of(["prefect", "flow-run", "execute"], {"PATH": str(tmp_path)})
    assert found == expected.format(python=python, own=sys.executable)
    assert packages.interpreter_of(["python3.9", "x.py"], {"PATH": str(tmp_path)}) == str(python)


def test_what_killed_installations_left_goes_in_time(tmp_path: Path) -> None:
    for name, age in ((".new-old", packages.ABANDONED + 60), (".new-young", 60), ("0123", packages.ABANDONED + 60)):
        (tmp_path / name).mkdir()
        at = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (at, at))
    packages.sweep(str(tmp_path))
    assert sorted(kept(tmp_path)) == [".new-young", "0123"]
