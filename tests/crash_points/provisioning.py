"""What is killed at its points: `--provision-infra` and `destroy-infra`, typed by a person who types again."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
from sqlalchemy import select

from skylift import registry
from skylift.cli import block, client, work_pool, work_pool_create, work_pool_infra
from skylift.cli.root import cli
from skylift.store import Store
from skylift.store.tables import block_documents, work_pools
from tests.crash_points import instruments
from tests.support.toy_cloud import Thing, ToyCloud, ToyProvisioner

POOL = "nightly"
CREATE = ("work-pool", "create", "--type", "process:push", "--provision-infra", POOL, "--region", "north", "--yes")
PLAN = ("work-pool", "provision-infra", POOL, "--dry-run")
REMOVE = ("work-pool", "destroy-infra", POOL, "--yes")
SCENARIOS = ("made, and removed", "begun, and removed")
"""The second: whoever goes on after a kill wants nothing but to be rid of it."""


class KeptCloud(ToyCloud):
    """Its things outlive the process, in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__(json.loads(path.read_text()) if path.exists() else {})
        self.path = path

    def change(self, what: str, name: str, value: dict[str, Any] | None) -> None:
        super().change(what, name, value)
        self.path.write_text(json.dumps(self.things))


def play(url: str, folder: str, scenario: str, trail: str, strike: int | None) -> None:
    """To the end, or to the `strike`-th point."""
    place = Path(folder)
    os.environ |= {"SKYLIFT_HOME": folder, "SKYLIFT_DATABASE_URL": url}
    cloud = KeptCloud(place / "things")
    points = instruments.Points(Path(trail), strike)
    instruments.at_commits(points)
    instruments.at_methods(points, Thing, ("look", "create", "mend", "delete"))
    is_wanted = not (place / "removing").exists()
    if scenario == "begun, and removed":
        is_wanted = is_wanted and not (place / "killed").exists()
    with one_connection(), patch.object(registry, "provisioner", lambda type_: ToyProvisioner(cloud, type_)):
        if is_wanted:
            make(cloud)
            (place / "removing").touch()
        if typed_json("work-pool", "ls"):
            remove()
    points.write()


@contextmanager
def one_connection() -> Iterator[None]:
    """For all that is typed, because each would compose the API once more."""
    with client.connect() as api, ExitStack() as patches:
        for module in (block, work_pool, work_pool_create, work_pool_infra):
            patches.enter_context(patch.object(module, "connect", lambda: nullcontext(api)))
        yield


def make(cloud: ToyCloud) -> None:
    """The same command until it works. A pool that was there already stays paused until somebody resumes it."""
    was_there = bool(typed_json("work-pool", "ls"))
    typed(*CREATE)
    if was_there:
        typed("work-pool", "resume", POOL)
    assert typed_json(*PLAN)["changes"] == 0
    (pool,) = typed_json("work-pool", "ls")
    assert pool["status"] == "READY"
    assert len(cloud.things) == 3
    assert len(typed_json("block", "ls")) == 1


def remove() -> None:
    try:
        typed(*REMOVE)
    except click.ClickException as error:  # it was removed to the end, or died before the first of it was made
        if "No infrastructure" not in error.format_message():
            raise


def typed(*words: str) -> str:
    """What the command prints. Raises `ClickException`."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        cli.main([*words], prog_name="skylift", standalone_mode=False)
    return said.getvalue()


def typed_json(*words: str) -> Any:
    return json.loads(typed(*words, "-o", "json"))


class Provisioning:
    """See `enumeration.Stage`."""

    call = f"{__name__}:play"

    def furnish(self, url: str, folder: Path, scenario: str) -> None:
        """There is nothing before."""

    def go_on(self, folder: Path) -> None:
        (folder / "killed").touch()

    def faults(self, url: str, folder: Path, scenario: str) -> list[str]:
        """What is left."""
        store = Store(url)
        with store.reading() as tx:
            found = [
                *(f"the cloud has {name}" for name in KeptCloud(folder / "things").things),
                *(f"the block {row.name} is there" for row in tx.all(select(block_documents))),
                *(f"{row.name} is not paused" for row in tx.all(select(work_pools)) if not row.is_paused),
            ]
        store.close()
        return found
