"""Runs of every kind, from a schedule to their end, through the service and a local Azure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds.azure import LOCATION, LocalAzure
from tests.clouds.containers import wait_until
from tests.providers.container_instance import support
from tests.providers.container_instance.support import ensure_nothing_secret_was_shown
from tests.providers.journeys import Ground, Journey, Journeys
from tests.support.service import serving


@pytest.mark.long  # most of it is waiting for the next look
class TestContainerInstance(Journeys):
    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls) -> Iterator[Ground]:
        with LocalAzure() as cloud:
            yield support.ground(cloud)
            ensure_nothing_secret_was_shown(cloud)


@pytest.mark.long
@pytest.mark.timeout(200)
def test_a_run_that_finds_no_room_goes_elsewhere(tmp_path: Path) -> None:
    """Azure accepts the group and then has no room for it: the run's fallback names another region."""
    with LocalAzure() as cloud:
        cloud.behaviour.full = (LOCATION,)
        ground = support.ground(cloud)
        ground.variables["capacity_fallbacks"] = [{"location": "northeurope"}]
        with serving(tmp_path, **cloud.environment()) as service:
            journey = Journey(ground, service.url, tmp_path)
            deployed = journey.deploy("moves", job_variables={"runner": False, "command": "echo moved"})
            run = journey.wait(deployed, "Completed", patience=120)
            assert wait_until(lambda: journey.logs(run) == ["moved"])
            locations = [
                each.body["body"]["location"] for each in cloud.journal.calls("ContainerGroups_CreateOrUpdate")
            ]
            assert locations == [LOCATION, "northeurope"]
            assert "not available in the location" in journey.story(run)
            assert wait_until(lambda: not cloud.left(), 60)
            journey.http.close()
        ensure_nothing_secret_was_shown(cloud)
