"""Two dispatchers, one run: Azure starts its container twice, and admission sees to it that its code runs once."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from skylift_container_instance.client import client_for
from skylift_container_instance.place import Place
from tests.clouds.azure import RESOURCE_GROUP, LocalAzure
from tests.clouds.containers import wait_until
from tests.clouds.journal import Call
from tests.providers.journeys import Ground, Journey
from tests.support.service import serving

FLOWS = """
import os, pathlib, time


def once():
    with open(pathlib.Path(__file__).with_name("starts"), "a") as file:
        file.write(os.environ["SKYLIFT_FLOW_RUN_ID"] + "\\n")
    print("begun", flush=True)
    time.sleep(600)
"""


def with_secrets(call: Call) -> dict[str, Any]:
    """The body of a PUT as it was before the journal took its secrets out."""
    body: dict[str, Any] = copy.deepcopy(call.body["body"])
    for each in body["properties"]["containers"][0]["properties"]["environmentVariables"]:
        secret = call.secret_fields.get(f"environmentVariables.{each['name']}")
        if secret is not None:
            each["secureValue"] = secret
    return body


@pytest.mark.timeout(120)
def test_a_container_that_azure_restarts_is_refused_and_ends_in_peace(cloud: LocalAzure, tmp_path: Path) -> None:
    """One dispatcher is frozen between its last look at the clock and its PUT. Another takes over with the same
    request; the run begins. Then the first one's PUT arrives, and Azure restarts the container."""
    ground = Ground(
        type="azure-container-instance:push",
        variables=cloud.variables(),
        containers=cloud.containers,
        leftovers=cloud.left,
        environment=cloud.environment(),
    )
    (tmp_path / "flows.py").write_text(FLOWS)
    (tmp_path / "home").mkdir()
    held = cloud.mischief.order("ContainerGroups_CreateOrUpdate", "hold")
    with serving(tmp_path / "home", **ground.environment) as service:
        journey = Journey(ground, service.url, tmp_path)
        step = {"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}
        deployed = journey.deploy("once", entrypoint="flows.py:once", engine="python", pull_steps=[step])
        assert held.reached.wait(30)

        (call,) = cloud.journal.calls("ContainerGroups_CreateOrUpdate")
        place, name = Place.of(cloud.variables()), call.body["path"].rpartition("/")[2]
        assert place
        client_for(place).create(RESOURCE_GROUP, name, with_secrets(call), lambda: None)
        run = journey.wait(deployed, "Running")
        assert wait_until(lambda: "begun" in journey.logs(run), 20)

        held.released.set()
        attempt = call.body["body"]["tags"]["skylift-attempt"]

        def containers() -> list[Any]:
            return [each for each in [*cloud.containers.all.values()] if each.env["SKYLIFT_ATTEMPT"] == attempt]

        assert wait_until(lambda: len(containers()) == 2, 20)
        second = containers()[1]
        assert second.over.wait(20)
        assert second.exit_code == 0, [text for _, text in second.lines]
        assert any("Another instance" in text or "409" in text for _, text in second.lines), second.lines
        assert (tmp_path / "starts").read_text().splitlines() == [run["id"]], "user code began once"

        journey.ask("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})
        journey.wait(deployed, "Cancelled", "Crashed")
        assert wait_until(lambda: not cloud.left(), 30)
        assert not cloud.containers.alive()
        journey.http.close()
