"""`make demo-cloud CLOUD=…`: runs of every kind, pushed by a real service into a local cloud, and what came of them.

python -m tests.clouds.demo ecs|cloud-run|container-instance|modal
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.clouds.journal import Journal
from tests.providers.journeys import FLOWS, Ground, Journey
from tests.support.service import serving

OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
PATIENCE = 120.0
Opened = tuple[Ground, Journal]


@contextmanager
def ecs() -> Iterator[Opened]:
    from tests.clouds.aws import LocalAws
    from tests.clouds.aws_backends import Ministack
    from tests.providers.ecs.support import ALLOWED, furnish, ground

    with Ministack() as backend:
        furnish(backend)
        with LocalAws(backend, allowed=ALLOWED) as cloud:
            yield ground(cloud), cloud.journal


@contextmanager
def cloud_run() -> Iterator[Opened]:
    from tests.clouds.google import LocalGoogle
    from tests.providers.cloud_run.support import DECLARED, PROJECT, ground

    with LocalGoogle() as cloud:
        cloud.allowed, cloud.run.stop_grace = DECLARED, 5.0
        cloud.secrets.put(PROJECT, "skylift-pool", "the-secret-of-the-pool")
        yield ground(cloud), cloud.journal


@contextmanager
def container_instance() -> Iterator[Opened]:
    from tests.clouds.azure import LocalAzure
    from tests.providers.container_instance.support import ground

    with LocalAzure() as cloud:
        yield ground(cloud), cloud.journal


@contextmanager
def modal() -> Iterator[Opened]:
    from tests.providers.modal.support import ground, local_modal

    with local_modal() as cloud:
        yield ground(cloud), cloud.journal


CLOUDS: dict[str, Callable[[], AbstractContextManager[Opened]]] = {
    "ecs": ecs,
    "cloud-run": cloud_run,
    "container-instance": container_instance,
    "modal": modal,
}


def demo(name: str) -> bool:
    """Says whether everything ended as it should and nothing is left."""
    console = Console()
    with CLOUDS[name]() as (ground, journal), tempfile.TemporaryDirectory(prefix="demo-") as folder:
        home, code = Path(folder) / "home", Path(folder) / "code"
        for each in (home, code):
            each.mkdir()
        (code / "flows.py").write_text(FLOWS)
        console.print(f"A local cloud, a service, and a work pool of type [bold]{ground.type}[/]")
        with serving(home, **ground.environment) as service:
            console.print(f"{service.line.strip()}; the runs are due in a second", highlight=False)
            journey = Journey(ground, service.url, code)
            expected = deploy(journey, code)
            good = report(console, journey, expected)
            left = wait_for_nothing(ground)
            journey.http.close()
        calls = Counter(call.operation for call in journal.calls()).most_common(8)
        console.print("Most of what the cloud was asked:", ", ".join(f"{name} {count} times" for name, count in calls))
        console.print(f"Left in the cloud: {', '.join(left) or 'nothing'}")
    return good and not left


def deploy(journey: Journey, code: Path) -> dict[str, tuple[str, str]]:
    """By name: the deployment, and the state that its run is to end in."""
    pull = {"pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": str(code)}}]}
    bare: dict[str, Any] = {"runner": False}
    wanted: dict[str, tuple[dict[str, Any], str]] = {
        "prefect-flow": ({"entrypoint": "flows.py:greet", "engine": "prefect", **pull}, "COMPLETED"),
        "function-that-fails": ({"entrypoint": "flows.py:fails", "engine": "python", **pull}, "FAILED"),
        "command": ({"job_variables": {**bare, "command": "sh -c 'echo one; echo two'"}}, "COMPLETED"),
        "image-not-there": (
            {"entrypoint": "flows.py:fails", "engine": "python", "job_variables": journey.ground.unpullable, **pull},
            "CRASHED",
        ),
    }
    return {name: (journey.deploy(name, **deployment), state) for name, (deployment, state) in wanted.items()}


def report(console: Console, journey: Journey, expected: dict[str, tuple[str, str]]) -> bool:
    table = Table("Run", "State", "After", "What it said", "Where")
    good = True
    for name, (deployment, state) in expected.items():
        run = wait_for_end(journey, deployment)
        story = journey.explained(run)
        words = (run["state"]["message"] or "").splitlines()[:1] or journey.logs(run)[-1:]
        link = next(iter(story["links"].values()), "")
        good = good and run["state_type"] == state
        took = f"{run['total_run_time']:.1f} s"
        table.add_row(name, run["state_name"], took, "".join(words)[:90], link[:60])
    console.print(table)
    return good


def wait_for_end(journey: Journey, deployment: str) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    while (run := journey.run_of(deployment)).get("state_type") not in OVER:
        if time.monotonic() > until:
            raise SystemExit(f"It did not end:\n{journey.story(run)}")
        time.sleep(0.2)
    return run


def wait_for_nothing(ground: Ground) -> list[str]:
    until = time.monotonic() + PATIENCE
    while (left := ground.leftovers()) and time.monotonic() < until:
        time.sleep(0.5)
    return left


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in CLOUDS:
        print(f"CLOUD must be one of: {', '.join(CLOUDS)}", file=sys.stderr)
        return 2
    return 0 if demo(sys.argv[1]) else 1


if __name__ == "__main__":
    sys.exit(main())
