"""Runs of every kind through a real service and the local Modal."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from skylift_modal import ModalProvider
from skylift_modal.request import ATTEMPT, INSTALLATION
from tests.clouds.modal_cloud import LocalModal
from tests.providers.journeys import Ground, Journey, Journeys
from tests.providers.modal import support
from tests.providers.modal.support import local_modal


@pytest.mark.long
class TestModalJourneys(Journeys):
    @pytest.fixture(scope="class")
    @classmethod
    def cloud(cls) -> Iterator[LocalModal]:
        with local_modal() as cloud:
            yield cloud

    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls, cloud: LocalModal) -> Ground:
        return support.ground(cloud)

    def test_a_request_that_comes_in_again_runs_no_user_code_twice(self, journey: Journey, cloud: LocalModal) -> None:
        """The name is free again by then, so Modal makes a second sandbox; its runner is not admitted."""
        code = {"pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": str(journey.folder)}}]}
        run = journey.wait(journey.deploy("again", entrypoint="flows.py:fails", engine="python", **code), "Failed")
        first = list(cloud.sandboxes.all.values())[-1]
        assert first.over.wait(20)
        again = cloud.sandboxes.get(cloud.arrive_again())
        assert again.over.wait(20)
        assert again.container
        assert again.container.exit_code == 0
        assert not [line for _, line in again.container.lines if "about to fail" in line]
        assert journey.logs(run).count("about to fail") == 1
        installation = UUID(again.tags[INSTALLATION])
        provider = ModalProvider()
        strays = provider.list_attempts(installation, journey.ground.variables)
        assert [each.handle for each in strays if each.attempt_id == UUID(again.tags[ATTEMPT])]
        for each in strays:
            provider.cleanup(each)
        assert journey.ground.leftovers() == []
