"""Dagster with its launcher for ECS: a schedule asks for many runs at the full minute, its daemon makes, queues and
launches them. It has no way to ask for a run at a time of one's choice, so there is only that burst."""

from __future__ import annotations

import json
import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.peers import processes
from benchmarks.peers.ecs import CLUSTER, Endpoint
from benchmarks.peers.measures import LOOK, Launches
from benchmarks.peers.systems import JOB, PEERS, database
from tests.conftest import Kind

DEFINITIONS = """
import dagster


@dagster.op
def nothing():
    pass


@dagster.job
def bench():
    nothing()


running = dagster.DefaultScheduleStatus.RUNNING


@dagster.schedule(job=bench, cron_schedule="{minute} {hour} * * *", default_status=running)
def due():
    return [dagster.RunRequest(run_key=str(number)) for number in range({count})]


defs = dagster.Definitions(jobs=[bench], schedules=[due])
"""
INSTANCE: dict[str, Any] = {
    "telemetry": {"enabled": False},
    # As many as there are: no limit is what the others have, too.
    "concurrency": {"runs": {"max_concurrent_runs": -1}},
    "run_launcher": {
        "module": "dagster_aws.ecs",
        "class": "EcsRunLauncher",
        "config": {
            "use_current_ecs_task_config": False,
            "task_definition": {
                "execution_role_arn": JOB["execution_role_arn"],
                "requires_compatibilities": ["FARGATE"],
            },
            "run_task_kwargs": {
                "cluster": CLUSTER,
                "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
            },
        },
    },
}
START = timedelta(seconds=25)
"""From the start of the daemon to the due minute, at least."""


def burst(kind: Kind, folder: Path, ecs: Endpoint, count: int, *, patience: float) -> Launches:
    """Runs that a schedule asks for at once, waited for until `patience` seconds after they were due."""
    due = (datetime.now(UTC) + START + timedelta(minutes=1)).replace(second=0, microsecond=0)
    (folder / "defs.py").write_text(DEFINITIONS.format(minute=due.minute, hour=due.hour, count=count))
    with database(kind, folder) as url:
        storage = {} if kind == "sqlite" else {"storage": {"postgres": {"postgres_url": url}}}
        (folder / "dagster.yaml").write_text(json.dumps(INSTANCE | storage))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER_", "PYTHONPATH"))}
        own = {"DAGSTER_HOME": str(folder), "DAGSTER_CURRENT_IMAGE": JOB["image"]}
        env = kept | ecs.environment | own | {"PATH": f"{PEERS}:{os.environ['PATH']}"}
        command = [str(PEERS / "dagster-daemon"), "run", "-f", str(folder / "defs.py")]
        log = folder / "daemon.log"
        with log.open("w") as out, subprocess.Popen(command, env=env, stdout=out, stderr=out, cwd=folder) as daemon:
            try:
                return _watch(daemon.pid, ecs, due.timestamp(), count, patience)
            finally:
                daemon.terminate()
                try:
                    daemon.wait(30)
                except subprocess.TimeoutExpired:
                    daemon.kill()


def _watch(pid: int, ecs: Endpoint, due: float, count: int, patience: float) -> Launches:
    time.sleep(max(0.0, due - time.time() - 2))
    before = processes.use_of([pid])
    at: list[float] = []
    while len(at) < count and time.time() < due + patience:
        time.sleep(LOOK)
        at = list(ecs.taken().values())
    after = processes.use_of([pid])
    return Launches(count, sorted(each - due for each in at), max([*at, due]) - due, after.since(before), after.peak)
