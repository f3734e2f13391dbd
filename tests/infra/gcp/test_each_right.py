"""Least privilege: without any one permission of the provisioned role, something of the provider's fails and names it.
Permissions are read from the role that was made, so that none can be in it which nothing here uses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from skylift.provider import Launch, Observation
from skylift_cloud_run import shared_jobs
from skylift_infra.gcp.rights import ON_THE_ACCOUNT, pushing_permissions
from tests.clouds.google_project import LocalGoogleProject
from tests.infra.complaints import Complaints
from tests.infra.gcp.test_gcp import PUSH, ROLE, RUN, account
from tests.infra.gcp.test_rights import ProvisionedHarness
from tests.providers.cloud_run.support import configuration
from tests.providers.contract import Program, new_launch, wait_for, watch

PATIENCE = 10.0
INSTALLATION = UUID(int=7)
EVERY = [*pushing_permissions(), *sorted(ON_THE_ACCOUNT)]
USUAL = ("Image", "Network", "Service account", "Secret Manager", "Retries")
"""What the check says of every provisioned pool, or of none."""


class Harness(ProvisionedHarness):
    stem = "skylift-nightly-2158d5e3"

    def alone(self) -> dict[str, Any]:
        return self._provisioned(configuration(["true"], {}))


class Tour(Complaints):
    """All that the provider does in its life."""

    def __init__(self, cloud: LocalGoogleProject, harness: Harness) -> None:
        super().__init__("skylift_cloud_run")
        self.cloud, self.harness, self.provider = cloud, harness, harness.provider()

    def take(self) -> dict[str, str]:
        """The complaints."""
        failing, handle = self._launch("launch", "fails")
        if handle:
            self._wait("status", failing, handle, "ended")
            self.do("logs", lambda: self.provider.logs(watch(failing, handle), 5))
            self.do("cleanup", lambda: self.provider.cleanup(watch(failing, handle)))
        self._after_a_while("launch after a while")
        endless, handle = self._launch("launch", "endless")
        if handle:
            self._wait("status", endless, handle, "running", "ended")
            self.do("stop", lambda: self.provider.stop(watch(endless, handle), 0))
        self._alone()
        self.do("list_attempts", lambda: self.provider.list_attempts(INSTALLATION, failing.configuration))
        values = {**self.harness.configuration("lines", {}), "pool_secret": f"{self.harness.stem}-admission"}
        self.check(self.provider, {name: value for name, value in values.items() if name != "command"}, *USUAL)
        return self.told

    def _after_a_while(self, name: str) -> None:
        """Another process, which finds the job as it was left, and sees that its image may have been moved."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shared_jobs, "RENEWED", 0.0)
            provider = self.harness.provider()
            self.do(name, lambda: provider.launch(self._new(self.harness.configuration("fails", {}))))

    def _alone(self) -> None:
        """A bare command has a job of its own."""
        values = self.harness.alone()
        launch = self._new(values)
        handle = self.do("launch of a bare command", lambda: self.provider.launch(launch))
        if handle:
            self._wait("status of a bare command", launch, handle, "ended")
        self.do("cleanup of a bare command", lambda: self.provider.cleanup(watch(launch, handle)))

    def _launch(self, name: str, program: Program) -> tuple[Launch, str | None]:
        launch = self._new(self.harness.configuration(program, {}))
        return launch, self.do(name, lambda: self.provider.launch(launch))

    def _new(self, values: dict[str, Any]) -> Launch:
        return replace(new_launch(values), installation_id=INSTALLATION)

    def _wait(self, name: str, launch: Launch, handle: str, *phases: str) -> None:
        def look() -> Observation | None:
            found = self.do(name, lambda: self.provider.status([watch(launch, handle)])) or {}
            return found.get(launch.attempt_id)

        self.observed(name, wait_for(look, lambda seen: seen is None or seen.phase in phases, PATIENCE))


@pytest.fixture
def tour(cloud: LocalGoogleProject) -> Tour:
    cloud.run.stop_grace = 0.3
    return Tour(cloud, Harness(cloud))


@pytest.mark.long
def test_they_are_enough(tour: Tour) -> None:
    assert tour.take() == {}


@pytest.mark.long
@pytest.mark.parametrize("permission", EVERY)
def test_without_any_one_of_them_something_fails(cloud: LocalGoogleProject, tour: Tour, permission: str) -> None:
    held = cloud.iam.roles[ROLE]["includedPermissions"]
    assert sorted([*held, *ON_THE_ACCOUNT]) == sorted(EVERY), "these are the rights that were granted"
    if permission in ON_THE_ACCOUNT:
        cloud.iam.policies.revoke(account(RUN), "roles/iam.serviceAccountUser", f"serviceAccount:{PUSH}")
    cloud.iam.roles[ROLE]["includedPermissions"] = [each for each in held if each != permission]
    tour.take()
    assert tour.name(permission), tour.told
