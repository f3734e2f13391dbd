"""Least privilege: what is provisioned is what the provider declares, each of it needed, and there is nothing more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from skylift.provider import ProviderError
from skylift_cloud_run.client import PERMISSIONS, SECRET_PERMISSIONS, Client
from skylift_cloud_run.credentials import Credentials
from skylift_cloud_run.views import Place
from skylift_infra.gcp.rights import ON_THE_ACCOUNT, pushing_permissions
from tests.clouds.google_project import LocalGoogleProject
from tests.infra.gcp.project import applied
from tests.infra.gcp.test_gcp import PROJECT, PUSH, ROLE, RUN, account
from tests.providers.cloud_contract import CloudContract
from tests.providers.cloud_run.support import SharedJobHarness, job_body

PLACE = Place(PROJECT, "us-central1")
JOB = PLACE.job("skylift-x")
BODY = job_body()
BODY["template"]["template"]["serviceAccount"] = RUN
BODY = {name: value for name, value in BODY.items() if name != "client"}
SINCE = 'timestamp>="2026-01-01T00:00:00Z"'
CALLS: Mapping[str, Callable[[Client, str], Any]] = {
    "create_job": lambda client, execution: client.create_job(PLACE, "skylift-y", BODY),
    "get_job": lambda client, execution: client.get_job(JOB),
    "list_jobs": lambda client, execution: client.list_jobs(PLACE),
    "update_job": lambda client, execution: client.update_job(JOB, BODY),
    "delete_job": lambda client, execution: client.delete_job(JOB),
    "run_job": lambda client, execution: client.run_job(JOB, {}),
    "get_execution": lambda client, execution: client.get_execution(execution),
    "list_executions": lambda client, execution: client.list_executions(JOB),
    "cancel_execution": lambda client, execution: client.cancel_execution(execution),
    "delete_execution": lambda client, execution: client.delete_execution(execution),
    "list_tasks": lambda client, execution: client.list_tasks(execution),
    "read_log": lambda client, execution: client.read_log(PROJECT, SINCE, 1, newest_first=True),
    "has_version": lambda client, execution: client.has_version(
        f"projects/{PROJECT}/secrets/skylift-nightly-2158d5e3-admission/versions/latest"
    ),
}
DECLARED = {**PERMISSIONS, "has_version": SECRET_PERMISSIONS["has_version"]}


def test_the_rights_are_those_that_the_provider_declares() -> None:
    assert set(CALLS) == set(DECLARED), "each call of the façade is tried below"
    declared = {each for needed in DECLARED.values() for each in needed}
    assert set(pushing_permissions()) | ON_THE_ACCOUNT == declared
    assert not any("setIamPolicy" in each or each.startswith("iam.") for each in pushing_permissions())


def test_nothing_else_is_granted(cloud: LocalGoogleProject) -> None:
    applied()
    assert cloud.iam.roles[ROLE]["includedPermissions"] == pushing_permissions()
    pushing, running = f"serviceAccount:{PUSH}", f"serviceAccount:{RUN}"
    held = {
        (name, role, member)
        for name, pairs in cloud.iam.policies.bindings().items()
        for role, member in pairs
        if role != "roles/owner"
    }
    secret = f"projects/{PROJECT}/secrets/skylift-nightly-2158d5e3-admission"
    assert held == {
        (f"projects/{PROJECT}", ROLE, pushing),
        (account(RUN), "roles/iam.serviceAccountUser", pushing),
        (account(PUSH), "roles/iam.serviceAccountTokenCreator", "user:ann@example.com"),
        (secret, "roles/secretmanager.secretAccessor", running),
    }


def begun(cloud: LocalGoogleProject) -> tuple[Client, str]:
    """As the pushing account, with a job that runs."""
    cloud.run.jobs_create({"parent": PLACE.parent}, {"jobId": "skylift-x"}, BODY)
    deadline = time.monotonic() + 10
    while cloud.run.jobs[JOB].state != "CONDITION_SUCCEEDED" and time.monotonic() < deadline:
        time.sleep(0.01)
    execution = cloud.run.jobs_run({"name": JOB}, {}, {})["metadata"]["name"]
    return Client(Credentials(project=PROJECT, impersonate_service_account=PUSH)), execution


@pytest.mark.parametrize("call", CALLS)
def test_each_call_has_its_rights_and_needs_each_of_them(cloud: LocalGoogleProject, call: str) -> None:
    applied()
    client, execution = begun(cloud)
    for permission in DECLARED[call]:
        held = list(cloud.iam.roles[ROLE]["includedPermissions"])
        user = ("roles/iam.serviceAccountUser", f"serviceAccount:{PUSH}")
        if permission in ON_THE_ACCOUNT:
            cloud.iam.policies.revoke(account(RUN), *user)
        cloud.iam.roles[ROLE]["includedPermissions"] = [each for each in held if each != permission]
        with pytest.raises(ProviderError) as caught:
            CALLS[call](client, execution)
        assert permission.lower() in str(caught.value).lower()
        cloud.iam.roles[ROLE]["includedPermissions"] = held
        if permission in ON_THE_ACCOUNT:
            cloud.iam.policies.grant(account(RUN), *user)
    CALLS[call](client, execution)


class ProvisionedHarness(SharedJobHarness):
    """The provider with the credentials of a provisioned pool, and no others."""

    def __init__(self, cloud: LocalGoogleProject) -> None:
        super().__init__(cloud)
        handover = applied()
        self.place = {name: handover.variables[name] for name in ("project", "region")}
        self.credentials = dict(handover.block_data)

    def leftovers(self) -> list[str]:
        return [each for each in super().leftovers() if not each.endswith("-admission")]

    def _provisioned(self, made: dict[str, Any]) -> dict[str, Any]:
        made["job_body"]["template"]["template"]["serviceAccount"] = RUN
        return {**made, **self.place, "credentials": self.credentials}

    def configuration(self, program: Any, env: Mapping[str, str]) -> dict[str, Any]:
        return self._provisioned(super().configuration(program, env))

    def cloud_configuration(self, program: Any) -> dict[str, Any]:
        return self._provisioned(super().cloud_configuration(program))


@pytest.mark.long
class TestProvisioned(CloudContract):
    """The provider's whole contract with the provisioned rights."""

    @pytest.fixture
    def harness(self, cloud: LocalGoogleProject) -> ProvisionedHarness:
        cloud.run.stop_grace = 0.3
        return ProvisionedHarness(cloud)

    @pytest.mark.skip(reason="several processes may begin an execution each: admission settles it")
    def test_launches_at_once_of_one_attempt_start_one(self) -> None:  # type: ignore[override]
        """See tests/providers/cloud_run/test_contract.py."""
