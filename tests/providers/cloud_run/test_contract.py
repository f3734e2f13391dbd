"""The Cloud Run provider keeps the port's promises, on both of its ways to launch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clouds.google import LocalGoogle
from tests.providers.cloud_contract import CloudContract
from tests.providers.cloud_run.support import CloudRunHarness, SharedJobHarness
from tests.providers.contract import Harness, new_launch


class TestBareCommands(CloudContract):
    """A job for each run: what Cloud Run itself does once."""

    @pytest.fixture
    def harness(self, cloud: LocalGoogle) -> CloudRunHarness:
        return CloudRunHarness(cloud)


class TestUnderTheRunner(CloudContract):
    """A job that runs share: found again by its executions' variables."""

    @pytest.fixture
    def harness(self, cloud: LocalGoogle) -> SharedJobHarness:
        return SharedJobHarness(cloud)

    def test_launches_at_once_of_one_attempt_start_one(self, harness: Harness) -> None:
        """Of four processes that launch the same attempt in the same moment each may begin an execution: all of them
        ask for admission, and the provider treats them as the one attempt that they are."""
        assert isinstance(harness, SharedJobHarness)
        launch = new_launch(harness.configuration("endless", {}))
        providers = [harness.provider() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            handles = set(pool.map(lambda provider: provider.launch(launch), providers))
        assert len(harness.cloud.run.jobs) == 1
        assert handles == set(harness.cloud.run.executions)
        oldest = min(harness.cloud.run.executions.values(), key=lambda each: each.created_at)
        assert harness.provider().launch(launch) == oldest.name
        self.end(harness, providers[0], launch)
        assert harness.leftovers() == []

    def test_launches_at_once_in_one_process_start_one(self, harness: SharedJobHarness) -> None:
        launch, provider = new_launch(harness.configuration("lines", {})), harness.provider()
        with ThreadPoolExecutor(4) as pool:
            handles = set(pool.map(provider.launch, [launch] * 4))
        assert len(handles) == 1
        self.observed(harness, provider, launch, "ended")
        assert harness.starts(launch.attempt_id) == 1
