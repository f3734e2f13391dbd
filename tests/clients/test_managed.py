"""Managed pools as a user sees them: packages are really installed, and the next run has them at once."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import until
from tests.runner.wheels import make_wheel
from tests.support.service import PATIENCE, serving


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts `skylift serve` with these variables in its environment, and says where the API is."""
    with ExitStack() as services:

        def start(**variables: str) -> str:
            home = tmp_path / "home"
            home.mkdir(exist_ok=True)
            return services.enter_context(serving(home, **variables)).url

        yield start
        until(lambda: not list(tmp_path.glob("home/process/*-*-*")))  # the last run's own last words


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def ends(api: str, folder: Path, engine: str, packages: list[str], *says: str, state: str, patience: float) -> None:
    """A run of `flows.py:go` in the managed pool comes to this state, and its log and message say all this (the last
    lines may come after the state)."""
    flow = ask(f"{api}/flows/", {"name": "go"})["id"]
    variables = {"pip_packages": packages, "image": "python:3.12"}
    body = {"flow_id": flow, "name": "d", "work_pool_name": "managed", "engine": engine, "job_variables": variables}
    made = ask(f"{api}/deployments/", body | {"entrypoint": "flows.py:go", "path": str(folder)})["id"]
    run = ask(f"{api}/deployments/{made}/create_flow_run", {})["id"]
    deadline = time.monotonic() + patience
    while True:
        now = ask(f"{api}/flow_runs/{run}")["state"]
        lines = ask(f"{api}/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"})
        log = "\n".join([*(line["message"] for line in lines), now["message"] or ""])
        if now["type"] == state and all(each in log for each in says):
            return
        assert now["type"] in (state, "SCHEDULED", "PENDING", "RUNNING"), log
        assert time.monotonic() < deadline, f"{now}\n{log}"
        time.sleep(0.3)


def test_packages_of_a_plain_function(serve: Callable[..., str], tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "tinyhello")
    (tmp_path / "flows.py").write_text("import tinyhello\ndef go(): print('with', tinyhello.VERSION)\n")
    api = serve(PIP_FIND_LINKS=str(tmp_path / "wheels"), PIP_NO_INDEX="1")
    assert ask(f"{api}/work_pools/", {"name": "managed", "type": "prefect:managed"})["status"] == "READY"
    for first in ("Installing packages: tinyhello", "Packages are here from an earlier run: tinyhello"):
        ends(api, tmp_path, "python", ["tinyhello"], first, "with 1.0", state="COMPLETED", patience=PATIENCE)
    reasons = ("No matching distribution found for no-such-package", "'pip_packages'")
    ends(api, tmp_path, "python", ["no-such-package"], *reasons, state="FAILED", patience=PATIENCE)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_prefect_and_packages_from_the_index(serve: Callable[..., str], tmp_path: Path) -> None:
    """On a machine whose Python has no Prefect."""
    (tmp_path / "flows.py").write_text(
        "import humanize\nfrom prefect import flow\n"
        "@flow(log_prints=True)\ndef go(): print('it is', humanize.intcomma(1234567))\n"
    )
    api = serve(PATH="/usr/local/bin:/usr/bin:/bin")
    ask(f"{api}/work_pools/", {"name": "managed", "type": "prefect:managed"})
    for first in ("Installing packages: humanize, prefect", "Packages are here from an earlier run: humanize, prefect"):
        ends(api, tmp_path, "prefect", ["humanize"], first, "it is 1,234,567", state="COMPLETED", patience=700)
    assert len(list((tmp_path / "home" / "packages").iterdir())) == 1
