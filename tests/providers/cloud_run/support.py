"""The Cloud Run provider's harness over the local Google, and what its tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from skylift.confidential import NONCE
from skylift.provider import Observation, Watched
from skylift_cloud_run import CloudRunProvider, output
from skylift_cloud_run.client import PERMISSIONS, SECRET_PERMISSIONS
from skylift_cloud_run.credentials import ENDPOINT
from tests.clouds.google import LocalGoogle
from tests.providers.clearing import cleared
from tests.providers.cloud_contract import CloudHarness, CloudProgram
from tests.providers.contract import Program, wait_for
from tests.providers.journeys import Ground

PROJECT, REGION = "acme-data", "europe-west1"
ACCOUNT = f"runs@{PROJECT}.iam.gserviceaccount.com"
PROGRAMS: dict[Program, list[str]] = {
    "lines": ["sh", "-c", "printf 'one\\ntwo\\nthree\\n'"],
    "fails": ["sh", "-c", "exit 3"],
    "endless": ["sleep", "600"],
    "stubborn": ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"],
}
IMAGES = f"{REGION}-docker.pkg.dev/{PROJECT}/flows"
EATS = "kept = [bytearray(b'x' * 1000000) for _ in range(300)]; import time; time.sleep(20)"
JOBS = "run.projects.locations.jobs"
DECLARED = frozenset(name for table in (PERMISSIONS, SECRET_PERMISSIONS) for names in table.values() for name in names)


@contextmanager
def local_google() -> Iterator[LocalGoogle]:
    """One whose callers have the permissions that the façade declares, and no others."""
    before = os.environ.get(ENDPOINT)
    with LocalGoogle() as cloud:
        os.environ[ENDPOINT] = cloud.url
        output.reads = output.Reads()  # this one's logs have not been read yet
        cloud.allowed, cloud.run.stop_grace = DECLARED, 0.3
        try:
            with cleared(cloud, new_provider, lambda: _permit_all(cloud)):
                yield cloud
        finally:
            if before is None:
                del os.environ[ENDPOINT]
            else:
                os.environ[ENDPOINT] = before


def _permit_all(cloud: LocalGoogle) -> None:
    cloud.allowed, cloud.tokens, cloud.quotas, cloud.refuses_jwts = None, None, {}, False


def new_provider() -> CloudRunProvider:
    """As another process of the service would have it, over a cloud whose logs are there at once."""
    provider = CloudRunProvider("cloud-run-v2:push", "Cloud Run", "base_job_template.json")
    provider.logs_settle = 0.0
    return provider


def job_body(image: str = "europe-docker.pkg.dev/acme/flows/etl:1", **limits: str) -> dict[str, Any]:
    """As the default base job template renders it."""
    resources = {"limits": {"cpu": "1000m", "memory": "512Mi", **limits}}
    task = {"serviceAccount": ACCOUNT, "maxRetries": 0, "containers": [{"image": image, "resources": resources}]}
    return {"client": "skylift", "launchStage": "GA", "template": {"template": task}}


def configuration(command: list[str], env: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """A rendered job configuration."""
    base = {"project": PROJECT, "region": REGION, "labels": {"team": "data"}, "job_body": job_body()}
    return {**base, "command": command, "env": dict(env), **more}


def ground(cloud: LocalGoogle) -> Ground:
    """For journeys; the secret that the pool names is to be there."""
    return Ground(
        type="cloud-run-v2:push",
        variables={
            "project": PROJECT,
            "region": REGION,
            "service_account_name": ACCOUNT,
            "image": f"{IMAGES}/etl:1",
            "pool_secret": "skylift-pool:1",
        },
        containers=cloud.containers,
        leftovers=cloud.left,
        environment={ENDPOINT: cloud.url},
        unpullable={"image": f"{IMAGES}/missing:1"},
        hungry={"memory": "64Mi"},
    )


class CloudRunHarness(CloudHarness):
    """Bare commands: a job for each run."""

    launch_operations: tuple[str, ...] = (f"{JOBS}.create",)

    def __init__(self, cloud: LocalGoogle) -> None:
        self.cloud = cloud
        self.mischief, self.journal, self.containers = cloud.mischief, cloud.journal, cloud.containers

    def provider(self) -> CloudRunProvider:
        return new_provider()

    def configuration(self, program: Program, env: Mapping[str, str]) -> dict[str, Any]:
        if program == "broken":
            return configuration(["true"], env, job_body=job_body(memory="lots"))
        return configuration(PROGRAMS[program], env)

    def cloud_configuration(self, program: CloudProgram) -> dict[str, Any]:
        if program == "hungry":
            return configuration(["python", "-c", EATS], {}, job_body=job_body(memory="64Mi"))
        return configuration(["true"], {}, job_body=job_body("europe-docker.pkg.dev/acme/flows/missing:1"))

    def leftovers(self) -> list[str]:
        return self.cloud.left()


class SharedJobHarness(CloudRunHarness):
    """What the runner would be started with: a nonce says so. The job is shared, and admission settles races."""

    launch_operations = (f"{JOBS}.create", f"{JOBS}.run")
    exact_for_bare = False

    def configuration(self, program: Program, env: Mapping[str, str]) -> dict[str, Any]:
        return super().configuration(program, {**env, NONCE: "a-nonce-of-one-use"})

    def cloud_configuration(self, program: CloudProgram) -> dict[str, Any]:
        made = super().cloud_configuration(program)
        return {**made, "env": {**made["env"], NONCE: "a-nonce-of-one-use"}}


def under_runner(command: list[str], **more: Any) -> dict[str, Any]:
    """A configuration whose runs share a job."""
    return configuration(command, {NONCE: "a-nonce-of-one-use"}, **more)


def until(provider: CloudRunProvider, watched: Watched, *phases: str, patience: float = 20.0) -> Observation:
    """The observation, as soon as it is in one of the phases."""
    found = wait_for(
        lambda: provider.status([watched])[watched.attempt_id], lambda seen: seen.phase in phases, patience
    )
    assert found.phase in phases, found
    return found
