"""`work-pool check`: what it finds, without making anything; the links to the console; the declared permissions."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.provider import Finding, Watched
from skylift_cloud_run import PROVIDER, PROVIDER_V1
from skylift_cloud_run.client import PERMISSIONS, SECRET_PERMISSIONS, Client
from tests.clouds.google import PERMISSIONS as NEEDED
from tests.clouds.google import LocalGoogle
from tests.providers.cloud_run.support import (
    DECLARED,
    JOBS,
    PROJECT,
    REGION,
    configuration,
    job_body,
    new_provider,
    under_runner,
)
from tests.providers.contract import new_launch, watch

READING = ("get", "list", "testIamPermissions")


def pool(**more: Any) -> dict[str, Any]:
    """As the defaults of a pool's variables render it: no command, and what the core takes out before a launch."""
    made = configuration([], {}, **more)
    return {name: each for name, each in made.items() if name != "command"} | {"runner": True, "env": {"A": None}}


def found(**more: Any) -> dict[str, Finding]:
    return {each.what: each for each in new_provider().check(pool(**more))}


def test_a_pool_that_is_well(cloud: LocalGoogle) -> None:
    findings = found(job_body=job_body("europe-docker.pkg.dev/acme/flows/etl@sha256:" + "0" * 64))
    assert {each.verdict for each in findings.values()} == {"ok"}
    assert {"Identity", "Permissions", "Cloud Run", "Configuration", "Image", "Network", "Quota"} <= set(findings)


def test_it_only_reads(cloud: LocalGoogle) -> None:
    found(pool_secret="pool")
    for call in cloud.journal.calls():
        only_checked = call.operation == f"{JOBS}.create" and call.body["query"]["validateOnly"] == "true"
        assert call.operation.endswith(READING) or only_checked
    assert not cloud.run.jobs


def test_missing_permissions_are_named(cloud: LocalGoogle) -> None:
    cloud.allowed = DECLARED - {"run.jobs.create", "run.executions.cancel", "iam.serviceAccounts.actAs"}
    cloud.allowed -= {"secretmanager.secrets.create"}
    findings = found()
    assert findings["Permissions"].verdict == "failed"
    assert "run.executions.cancel, run.jobs.create" in findings["Permissions"].message
    assert "run.developer" in str(findings["Permissions"].remedy)
    assert findings["Secret Manager"].verdict == "warning"
    assert findings["Service account"].verdict == "unknown"
    assert findings["Configuration"].verdict == "failed"


def test_permissions_that_cannot_be_asked_for_are_unknown(cloud: LocalGoogle) -> None:
    cloud.mischief.order("cloudresourcemanager.*", "deny")
    assert found()["Permissions"].verdict == "unknown"


def test_a_configuration_that_google_refuses(cloud: LocalGoogle) -> None:
    finding = found(job_body=job_body(memory="lots"))["Configuration"]
    assert (finding.verdict, "memory" in finding.message) == ("failed", True)
    finding = found(job_body={"spec": {"template": {}, "x": 1}})["Configuration"]
    assert (finding.verdict, "v1 API" in finding.message) == ("failed", True)


def test_a_pool_of_bare_commands_is_checked_as_such(cloud: LocalGoogle) -> None:
    body = job_body()
    body["template"]["template"]["containers"][0]["args"] = ["--fast"]
    assert found(job_body=body)["Configuration"].verdict == "failed"
    findings = {each.what: each for each in new_provider().check(pool(job_body=body) | {"runner": False})}
    assert findings["Configuration"].verdict == "ok"
    assert "1.1 a second" in findings["Quota"].message


def test_secrets_are_looked_for(cloud: LocalGoogle) -> None:
    cloud.secrets.put(PROJECT, "pool", "value")
    assert found(pool_secret="pool:1")["Secret"].verdict == "ok"
    assert found(pool_secret="pool:2")["Secret"].verdict == "failed"
    assert found(env_from_secrets={"TOKEN": {"secret": "not-there"}})["Secret"].verdict == "failed"
    cloud.allowed = DECLARED - {"secretmanager.versions.get"}
    assert found(pool_secret="pool:1")["Secret"].verdict == "unknown"
    assert not cloud.journal.calls("secretmanager.projects.secrets.versions.access")


def test_a_tag_a_network_and_retries_are_worth_a_word(cloud: LocalGoogle) -> None:
    body = job_body()
    body["template"]["template"] |= {"maxRetries": 3, "vpcAccess": {"networkInterfaces": [{"network": "default"}]}}
    findings = found(job_body=body)
    assert (findings["Image"].verdict, findings["Network"].verdict) == ("unknown", "unknown")
    assert findings["Retries"].verdict == "warning"


def test_a_region_that_is_almost_full(cloud: LocalGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skylift_cloud_run.limits.JOBS", 2)
    provider = new_provider()
    for memory in ("512Mi", "1Gi"):
        provider.launch(new_launch(under_runner(["true"], job_body=job_body(memory=memory))))
    assert found()["Cloud Run"].verdict == "warning"


def test_without_a_project_or_a_cloud_it_says_so_and_raises_nothing(cloud: LocalGoogle) -> None:
    (finding,) = new_provider().check({})
    assert (finding.verdict, finding.what) == ("failed", "Identity")
    cloud.mischief.order("*", "break", times=100)
    verdicts = {each.what: each.verdict for each in new_provider().check(pool())}
    assert verdicts["Cloud Run"] == "failed"
    assert {each.verdict for each in new_provider().check({"region": 7, "job_body": []})} == {"failed"}


def test_links_lead_to_the_console_and_ask_nobody() -> None:
    launch = new_launch(configuration(["true"], {}))
    links = PROVIDER.links(watch(launch))
    name = f"skylift-{launch.attempt_id.hex}-run"
    assert links["run"] == (
        f"https://console.cloud.google.com/run/jobs/executions/details/{REGION}/{name}/tasks?project={PROJECT}"
    )
    assert links["logs"].startswith("https://console.cloud.google.com/logs/query;query=resource.type%3D")
    assert name in links["logs"]
    assert links["quota"].endswith(f"quotas?project={PROJECT}")
    shared = new_launch(under_runner(["true"]))
    assert set(PROVIDER_V1.links(watch(shared))) == {"quota"}
    handle = f"projects/{PROJECT}/locations/{REGION}/jobs/skylift-1/executions/skylift-1-abcde"
    assert "skylift-1-abcde" in PROVIDER.links(Watched(launch.attempt_id, handle))["run"]
    assert PROVIDER.links(Watched(launch.attempt_id, None)) == {}


def test_the_facade_declares_what_each_of_its_calls_needs() -> None:
    """The contract's tests run with these permissions alone; here, that none is declared without a call."""
    declared = {**PERMISSIONS, **SECRET_PERMISSIONS}
    assert all(callable(getattr(Client, name)) for name in declared)
    not_asked_of_local_google = {"iam.serviceAccounts.actAs", "run.jobs.run"}
    assert DECLARED - not_asked_of_local_google <= set(NEEDED.values())
