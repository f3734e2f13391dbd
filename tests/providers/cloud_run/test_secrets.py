"""Secret values of bare commands: a secret of Secret Manager for the run, gone with it; and secrets by reference."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from skylift.provider import Launch, Rejected, Unreachable
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run.support import (
    ACCOUNT,
    DECLARED,
    JOBS,
    PROJECT,
    CloudRunHarness,
    configuration,
    job_body,
    new_provider,
    under_runner,
    until,
)
from tests.providers.contract import new_launch, watch

VALUE = "hunter2-hunter2-hunter2"
UNDER = "secretmanager.projects.secrets"
SAY = ["sh", "-c", 'echo "${#DB_PASSWORD} ${#DB_URL} $PLAIN"']
ENV = {"DB_PASSWORD": VALUE, "DB_URL": f"postgres://u:{VALUE}@db/x", "PLAIN": "plain"}
PRINTED = f"{len(VALUE)} {len(ENV['DB_URL'])} plain"


def launch_with_secrets(**more: Any) -> Launch:
    return replace(new_launch(configuration(SAY, ENV, **more)), secrets=frozenset([VALUE]))


def test_the_command_gets_them_and_nothing_shows_them(cloud: LocalGoogle) -> None:
    provider, launch = new_provider(), launch_with_secrets()
    watched = watch(launch, provider.launch(launch))
    assert until(provider, watched, "ended").exit_code == 0
    assert provider.logs(watched, 5) == [PRINTED]
    (secret,) = cloud.secrets.all.values()
    assert secret.readers == {f"serviceAccount:{ACCOUNT}"}
    assert sorted(secret.versions) == sorted([VALUE, ENV["DB_URL"]])
    assert {each.secret_fields for each in cloud.journal.calls(f"{UNDER}.addVersion")} == set(secret.versions)
    provider.cleanup(watched)
    assert CloudRunHarness(cloud).leftovers() == []
    assert VALUE not in cloud.journal.shown()


@pytest.mark.parametrize(
    "operation", [f"{UNDER}.create", f"{UNDER}.setIamPolicy", f"{UNDER}.addVersion", f"{JOBS}.create"]
)
@pytest.mark.parametrize("after", [0, 1])
def test_a_lost_answer_at_any_step_is_healed(cloud: LocalGoogle, operation: str, after: int) -> None:
    cloud.mischief.order(operation, "lose_answer", after=after)
    launch = launch_with_secrets()
    try:
        new_provider().launch(launch)
    except Unreachable:
        pass
    provider = new_provider()
    watched = watch(launch, provider.launch(launch))
    assert until(provider, watched, "ended").exit_code == 0
    assert provider.logs(watched, 5) == [PRINTED]
    assert len(cloud.containers.all) == 1
    provider.cleanup(watched)
    assert CloudRunHarness(cloud).leftovers() == []


def test_without_a_service_account_they_are_refused(cloud: LocalGoogle) -> None:
    body = job_body()
    del body["template"]["template"]["serviceAccount"]
    with pytest.raises(Rejected, match="service account") as caught:
        new_provider().launch(launch_with_secrets(job_body=body))
    assert "service_account_name" in str(caught.value.remedy)
    assert not cloud.secrets.all
    assert not cloud.run.jobs


def test_without_the_right_to_make_them_they_are_refused(cloud: LocalGoogle) -> None:
    cloud.allowed = frozenset(name for name in DECLARED if not name.startswith("secretmanager"))
    with pytest.raises(Rejected, match=r"secretmanager\.secrets\.create") as caught:
        new_provider().launch(launch_with_secrets())
    assert "runner" in str(caught.value.remedy)
    plain = new_launch(configuration(["true"], {}))
    provider = new_provider()
    watched = watch(plain, provider.launch(plain))
    until(provider, watched, "ended")
    provider.cleanup(watched)
    provider.cleanup(watched)


def test_a_launch_that_is_refused_after_all_leaves_no_secret_for_good(cloud: LocalGoogle) -> None:
    cloud.mischief.order(f"{JOBS}.create", "deny")
    launch, provider = launch_with_secrets(), new_provider()
    with pytest.raises(Rejected):
        provider.launch(launch)
    assert cloud.secrets.all
    provider.list_attempts(launch.installation_id, launch.configuration)
    assert cloud.secrets.all, "a launch may be under way"
    for secret in cloud.secrets.all.values():
        secret.created_at -= timedelta(hours=2)
    provider.list_attempts(new_launch(launch.configuration).installation_id, launch.configuration)
    assert cloud.secrets.all, "it is another installation's"
    provider.list_attempts(launch.installation_id, launch.configuration)
    assert not cloud.secrets.all


def test_secrets_of_the_users_own_arrive_by_reference(cloud: LocalGoogle) -> None:
    cloud.secrets.put(PROJECT, "db-password", "of the first version")
    cloud.secrets.put(PROJECT, "db-password", "of the second version")
    references = {"OLD": {"secret": "db-password", "version": "1"}, "NEW": {"secret": "db-password"}}
    provider = new_provider()
    say = ["sh", "-c", 'echo "$OLD, $NEW"']
    for made in (configuration(say, {}), under_runner(say)):
        launch = new_launch({**made, "env_from_secrets": references})
        watched = watch(launch, provider.launch(launch))
        assert until(provider, watched, "ended").exit_code == 0
        assert provider.logs(watched, 5) == ["of the first version, of the second version"]
    assert "of the first" not in cloud.journal.shown()


def test_the_pool_secret_reaches_the_runner_by_reference(cloud: LocalGoogle) -> None:
    cloud.secrets.put(PROJECT, "skylift-pool", "the-secret-of-the-pool")
    launch = new_launch(under_runner(["sh", "-c", 'echo "$SKYLIFT_POOL_SECRET"'], pool_secret="skylift-pool"))
    provider = new_provider()
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "ended")
    assert provider.logs(watched, 5) == ["the-secret-of-the-pool"]
    assert "the-secret-of-the-pool" not in cloud.journal.shown()


def test_a_secret_that_is_not_there_is_a_fault_of_the_setup(cloud: LocalGoogle) -> None:
    """Of a job when it is made; of an execution, where the secret was deleted since."""
    references = {"TOKEN": {"secret": "not-there"}}
    provider = new_provider()
    with pytest.raises(Rejected, match="SECRETS_ACCESS_CHECK_FAILED") as caught:
        provider.launch(new_launch(under_runner(["true"], env_from_secrets=references)))
    assert "secretAccessor" in str(caught.value.remedy)
    bare = new_launch(configuration(["true"], {}, env_from_secrets=references))
    ended = until(provider, watch(bare, provider.launch(bare)), "ended")
    assert (ended.fault, ended.exit_code) == ("setup", None)

    cloud.secrets.put(PROJECT, "not-there", "there after all")
    first = new_launch(under_runner(["true"], env_from_secrets=references))
    assert until(provider, watch(first, provider.launch(first)), "ended").exit_code == 0
    cloud.secrets.all.clear()
    second = new_launch(under_runner(["true"], env_from_secrets=references))
    ended = until(provider, watch(second, provider.launch(second)), "ended")
    assert (ended.fault, ended.exit_code) == ("setup", None)
    assert ended.remedy
