"""Answers that are lost after the launch, labels that others change, and the provider behind managed pools."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import google.auth
import pytest

from skylift.managed import ManagedProvider
from skylift.provider import FindsStrays, ForwardsOutput, Launch, Links, ReadsEvents, Unreachable
from skylift_cloud_run import client, run_secrets
from skylift_cloud_run.credentials import ENDPOINT, Credentials
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run.support import (
    JOBS,
    PROJECT,
    CloudRunHarness,
    configuration,
    new_provider,
    under_runner,
    until,
)
from tests.providers.contract import new_launch, watch

SLEEPS = ["sleep", "60"]


@pytest.mark.parametrize("made", [configuration(SLEEPS, {}), under_runner(SLEEPS)], ids=["alone", "shared"])
def test_a_lost_answer_to_a_stop_and_to_a_cleaning_changes_nothing(cloud: LocalGoogle, made: dict[str, Any]) -> None:
    launch, provider = new_launch(made), new_provider()
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "running")
    cloud.mischief.order(f"{JOBS}.executions.cancel", "lose_answer")
    with pytest.raises(Unreachable):
        provider.stop(watched, 0)
    provider.stop(watched, 0)
    until(provider, watched, "ended")
    for operation in (f"{JOBS}.delete", f"{JOBS}.executions.delete"):
        cloud.mischief.order(operation, "lose_answer")
    with pytest.raises(Unreachable):
        provider.cleanup(watched)
    provider.cleanup(watched)
    assert CloudRunHarness(cloud).leftovers() == []


@pytest.mark.parametrize("kind", ["throttle", "deny", "break"])
@pytest.mark.parametrize("made", [configuration(SLEEPS, {}), under_runner(SLEEPS)], ids=["alone", "shared"])
def test_who_cannot_be_asked_is_not_gone(cloud: LocalGoogle, made: dict[str, Any], kind: Any) -> None:
    launch, provider = new_launch(made), new_provider()
    handle = provider.launch(launch)
    for watched in (watch(launch, handle), watch(launch)):
        cloud.mischief.order("*", kind, times=50)
        for ask in (
            lambda one=watched: provider.status([one]),
            lambda one=watched: provider.stop(one, 0),
            lambda one=watched: provider.cleanup(one),
            lambda one=watched: provider.logs(one, 5),
            lambda one=watched: provider.output_since(one, 0),
            lambda: provider.list_attempts(launch.installation_id, launch.configuration),
        ):
            with pytest.raises(Unreachable):
                ask()
        cloud.mischief.behave()
    assert until(provider, watch(launch, handle), "running").handle == handle


def test_one_trouble_does_not_hide_the_others(cloud: LocalGoogle) -> None:
    launches = [new_launch(configuration(SLEEPS, {})), new_launch(under_runner(SLEEPS))]
    provider = new_provider()
    watched = [watch(each, provider.launch(each)) for each in launches]
    cloud.mischief.order(f"{JOBS}.executions.get", "break")
    found = provider.status(watched)
    assert len(found) == 1


def test_labels_that_somebody_changed_do_not_stop_the_sweep(cloud: LocalGoogle) -> None:
    provider, launch = new_provider(), new_launch(configuration(SLEEPS, {}))
    provider.launch(launch)
    broken = new_launch(configuration(SLEEPS, {}))
    broken = Launch(
        broken.attempt_id, broken.flow_run_id, launch.installation_id, broken.claimed_at, broken.configuration
    )
    provider.launch(broken)
    for job in cloud.run.jobs.values():
        if job.body["labels"]["skylift-attempt"] == str(broken.attempt_id):
            job.body["labels"]["skylift-attempt"] = "mine-now"
    found = provider.list_attempts(launch.installation_id, launch.configuration)
    assert [each.attempt_id for each in found] == [launch.attempt_id]
    for job in cloud.run.jobs.values():
        if job.body["labels"]["skylift-attempt"] == "mine-now":
            job.body["labels"]["skylift-attempt"] = str(broken.attempt_id)  # or it is nobody's for good


def test_only_what_is_an_attempts_is_swept(cloud: LocalGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_secrets, "ORPHANED", timedelta(0))
    launch, marked = new_launch(configuration(SLEEPS, {})), {"skylift-attempt": str(uuid4())}
    for name, labels in {"pool": {}, "left": marked}.items():
        cloud.secrets.put(PROJECT, name, "value")
        secret = cloud.secrets.all[f"projects/{PROJECT}/secrets/{name}"]
        secret.body["labels"] = labels | {"skylift-installation": str(launch.installation_id)}
        secret.body["createTime"] = "2020-01-01T00:00:00Z"
    new_provider().list_attempts(launch.installation_id, launch.configuration)
    assert f"projects/{PROJECT}/secrets/pool" in cloud.secrets.all
    assert f"projects/{PROJECT}/secrets/left" not in cloud.secrets.all


def test_it_serves_managed_pools(cloud: LocalGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYLIFT_GOOGLE_REGION", "europe-north1")
    managed = ManagedProvider(new_provider())
    for power in (FindsStrays, ForwardsOutput, ReadsEvents, Links):
        assert isinstance(managed, power)
    made = under_runner(["true"])
    wanted = {"image": "registry.example/prefect:3", "project": "acme-data"}
    launch = new_launch({"command": made["command"], "env": made["env"], **wanted})
    handle = managed.launch(launch)
    assert "/locations/europe-north1/" in handle
    assert until(managed, watch(launch, handle), "ended").exit_code == 0  # type: ignore[arg-type]
    managed.cleanup(watch(launch, handle))


def test_who_has_no_identity_is_not_looked_for_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def nobody(scopes: Any) -> Any:
        looked.append(scopes)
        raise google.auth.exceptions.DefaultCredentialsError("none")

    monkeypatch.setattr(google.auth, "default", nobody)
    monkeypatch.setenv(ENDPOINT, "https://google.internal")
    for _ in range(3):
        with pytest.raises(Unreachable):
            client.client_for(Credentials(project="nobody"))
        new_provider().quota({"credentials": {"project": "nobody"}})
    assert len(looked) == 1


def test_no_module_is_long_and_the_sdk_is_imported_late() -> None:
    """Each is read at one sitting; and a service without Cloud Run pools never loads Google's SDK."""
    folder = Path(client.__file__).parent
    for path in folder.glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) < 300
        assert "\nimport google" not in text
        assert "\nfrom google" not in text
