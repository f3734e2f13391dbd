"""Runs of every kind through a real `skylift serve` and the local Google."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clouds.containers import Container, wait_until
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run import support
from tests.providers.cloud_run.conftest import SECRETS
from tests.providers.cloud_run.support import DECLARED, JOBS, PROJECT
from tests.providers.journeys import Ground, Journey, Journeys

MARK = "user code begins"
FLOW = f'''
import pathlib
import time


def once(folder: str, seconds: float = 1.0):
    print("{MARK}")
    with open(pathlib.Path(folder) / "begun", "a") as begun:
        begun.write("x")
    time.sleep(seconds)
'''


@pytest.fixture(scope="class")
def cloud() -> Iterator[LocalGoogle]:
    with LocalGoogle() as cloud:
        cloud.allowed, cloud.run.stop_grace = DECLARED, 5.0
        cloud.secrets.put(PROJECT, "skylift-pool", "the-secret-of-the-pool")
        yield cloud
        shown = cloud.journal.shown()
        assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.long  # most of it is waiting for the next look
class TestCloudRun(Journeys):
    """Whatever Cloud Run begins, and whatever of its answers is lost: user code begins once."""

    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls, cloud: LocalGoogle) -> Ground:
        return support.ground(cloud)

    def test_of_two_executions_one_is_admitted(self, journey: Journey, cloud: LocalGoogle) -> None:
        deployment = deploy(journey, "doubled", seconds=6.0)
        run = journey.wait(deployment, "Running")
        (first,) = containers_of(cloud, run)
        (called,) = [call for call in cloud.journal.calls(f"{JOBS}.run") if first.env["SKYLIFT_ATTEMPT"] in str(call)]
        cloud.run.jobs_run(called.body["path"], {}, called.body["body"])
        assert wait_until(lambda: len(containers_of(cloud, run)) == 2)
        second = next(each for each in containers_of(cloud, run) if each is not first)
        assert wait_until(lambda: not second.is_alive, 20)
        assert (second.exit_code, first.is_alive) == (0, True), second.lines
        self.ends_well(journey, cloud, deployment, "doubled")

    @pytest.mark.timeout(300)
    def test_a_lost_answer_and_a_frozen_dispatcher(self, journey: Journey, cloud: LocalGoogle) -> None:
        """Another takes over once the lease is over; the frozen one's request reaches Cloud Run after all."""
        journey.ask("PATCH", "/work_pools/cloud", {"settings": {"lease": 3}})
        lost = cloud.mischief.order(f"{JOBS}.run", "lose_answer")
        first = deploy(journey, "lost", seconds=1.0)
        assert lost.reached.wait(60)
        held = cloud.mischief.order(f"{JOBS}.run", "hold")
        second = deploy(journey, "frozen", seconds=20.0)
        assert held.reached.wait(60)
        assert wait_until(lambda: bool(containers_of(cloud, journey.run_of(second))), 120)
        held.released.set()
        run = journey.run_of(second)
        assert wait_until(lambda: len(containers_of(cloud, run)) == 2, 20)
        for deployment, name in ((first, "lost"), (second, "frozen")):
            self.ends_well(journey, cloud, deployment, name)
        assert len(containers_of(cloud, journey.run_of(first))) == 1

    @staticmethod
    def ends_well(journey: Journey, cloud: LocalGoogle, deployment: str, name: str) -> None:
        run = journey.wait(deployment, "Completed")
        assert (journey.folder / name / "begun").read_text() == "x"
        assert journey.logs(run).count(MARK) == 1
        assert wait_until(lambda: not any(each.is_alive for each in containers_of(cloud, run)), 20)
        assert wait_until(lambda: not journey.ground.leftovers(), 90), journey.ground.leftovers()


def deploy(journey: Journey, name: str, **parameters: Any) -> str:
    """A plain function that says in a folder of its own that it has begun."""
    (journey.folder / "once.py").write_text(FLOW)
    (journey.folder / name).mkdir()
    code = {"pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": str(journey.folder)}}]}
    folder = str(journey.folder / name)
    wanted = {**parameters, "folder": folder}
    return journey.deploy(name, entrypoint="once.py:once", engine="python", parameters=wanted, **code)


def containers_of(cloud: LocalGoogle, run: dict[str, Any]) -> list[Container]:
    return [each for each in cloud.containers.all.values() if each.env.get("SKYLIFT_FLOW_RUN_ID") == run.get("id")]
