"""Whether runs of a pool would start: found out by reading, and by having Cloud Run check a job without making it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from skylift.provider import Finding, Launch, ProviderError
from skylift_cloud_run import limits, request
from skylift_cloud_run.client import PERMISSIONS, SECRET_PERMISSIONS, Client
from skylift_cloud_run.configuration import Configuration, SecretReference, read_configuration
from skylift_cloud_run.errors import AlreadyExists, NotFound
from skylift_cloud_run.place import client_and_place, read_place
from skylift_cloud_run.views import Place

SAMPLE = ["true"]
ROLES = "Grant it roles/run.developer and roles/logging.viewer on the project"
ALMOST_FULL = 0.8


def check(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    """Raises nothing; whatever cannot be looked at is `unknown`."""
    try:
        client, place = client_and_place(read_place(configuration))
    except ProviderError as error:
        yield _failed("Identity", error)
        return
    yield _identity(client, place)
    yield from _permissions(client, place)
    yield from _place(client, place)
    try:
        known = read_configuration({**configuration, "command": SAMPLE, "env": _plain(configuration.get("env"))})
        body = _sample(known) if configuration.get("runner") is False else request.shared_job(known)
    except ProviderError as error:
        yield _failed("Configuration", error)
        return
    yield _job(client, place, body)
    yield _image(body)
    yield from _network(body)
    yield from _secrets(client, place, known)
    yield from _retries(body)
    yield _quota(configuration)


def _sample(known: Configuration) -> dict[str, Any]:
    """A job as bare commands get it."""
    nobody = UUID(int=0)
    return request.own_job(known, Launch(nobody, nobody, nobody, datetime.now(UTC), {}))


def _plain(env: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in (env or {}).items() if value is not None}


def _identity(client: Client, place: Place) -> Finding:
    who = getattr(client.credentials, "service_account_email", "") or "the identity that Skylift runs with"
    return Finding("Identity", "ok", f"Google is called as {who}, project {place.project}, region {place.region}")


def _permissions(client: Client, place: Place) -> Iterator[Finding]:
    needed = sorted({name for names in PERMISSIONS.values() for name in names})
    optional = sorted({name for names in SECRET_PERMISSIONS.values() for name in names})
    try:
        granted = client.granted(place.project, [*needed, *optional])
    except ProviderError as error:
        yield Finding("Permissions", "unknown", f"They could not be asked for. {error}", error.remedy)
        return
    missing = [name for name in needed if name not in granted and name != "iam.serviceAccounts.actAs"]
    if missing:
        yield Finding("Permissions", "failed", f"Missing on the project: {', '.join(missing)}", ROLES)
    else:
        yield Finding("Permissions", "ok", f"All {len(needed)} that Skylift uses are granted")
    if "iam.serviceAccounts.actAs" not in granted:
        message = "Skylift may not use every service account of the project, which is as it should be"
        remedy = "Grant it roles/iam.serviceAccountUser on the service account of the jobs, and on no other"
        yield Finding("Service account", "unknown", message, remedy)
    if set(optional) - granted:
        message = "Bare commands with secret values cannot be launched; runs under the runner can"
        yield Finding("Secret Manager", "warning", message, "Grant it roles/secretmanager.admin, should you need them")


def _place(client: Client, place: Place) -> Iterator[Finding]:
    try:
        jobs = len(client.list_jobs(place))
    except ProviderError as error:
        yield _failed("Cloud Run", error)
        return
    message = f"{jobs} of {limits.JOBS} jobs are in use in {place.region}"
    if jobs > ALMOST_FULL * limits.JOBS:
        yield Finding("Cloud Run", "warning", message, "Delete jobs that nobody needs, or ask for more")
    else:
        yield Finding("Cloud Run", "ok", message)


def _job(client: Client, place: Place, body: Mapping[str, Any]) -> Finding:
    try:
        client.create_job(place, request.shared_job_id(body), request.marked(body, UUID(int=0)), only_check=True)
    except AlreadyExists:
        pass
    except ProviderError as error:
        return _failed("Configuration", error)
    return Finding("Configuration", "ok", "Cloud Run would accept a job with it")


def _image(body: Mapping[str, Any]) -> Finding:
    image = body["template"]["template"]["containers"][0]["image"]
    if request.is_pinned(body):
        return Finding("Image", "ok", f"{image} is named by its digest")
    message = f"{image} is named by a tag: a push to it is seen within ten minutes"
    return Finding("Image", "unknown", f"{message}. Whether it is there shows when the job is made", "Name its digest")


def _network(body: Mapping[str, Any]) -> Iterator[Finding]:
    access = body["template"]["template"].get("vpcAccess")
    if access:
        message = "Runs go through a VPC: Skylift's API must be reachable from there"
        yield Finding("Network", "unknown", message, "Route it through Cloud NAT, or set 'vpc_egress'")
    else:
        yield Finding("Network", "ok", "Runs reach the internet directly")


def _secrets(client: Client, place: Place, known: Configuration) -> Iterator[Finding]:
    wanted = dict(known.references)
    if known.pool_secret:
        wanted["pool_secret"] = SecretReference.parse(known.pool_secret)
    for name, reference in wanted.items():
        secret = reference.secret
        full = secret if secret.startswith("projects/") else f"projects/{place.project}/secrets/{secret}"
        version = f"{full}/versions/{reference.version}"
        try:
            if client.has_version(version):
                yield Finding("Secret", "ok", f"{name}: {version} is there")
            else:
                yield Finding(
                    "Secret", "failed", f"{name}: {version} is disabled", "Enable it, or name another version"
                )
        except NotFound:
            yield Finding("Secret", "failed", f"{name}: {version} is not there", "Make it in Secret Manager")
        except ProviderError as error:
            yield Finding("Secret", "unknown", f"{name}: {version} could not be looked at. {error}", error.remedy)


def _retries(body: Mapping[str, Any]) -> Iterator[Finding]:
    if body["template"]["template"]["maxRetries"]:
        message = "Cloud Run starts a failed container again; the runner in it is not admitted a second time"
        yield Finding("Retries", "warning", message, "Leave 'max_retries' at 0, and give the flow retries of its own")


def _quota(configuration: Mapping[str, Any]) -> Finding:
    allowed = limits.quota(configuration)
    return Finding("Quota", "ok", f"Launches are paced: {allowed.burst} at once, then {allowed.rate:g} a second")


def _failed(what: str, error: ProviderError) -> Finding:
    return Finding(what, "failed", str(error), error.remedy)
