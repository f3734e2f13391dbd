"""The secret values of a bare command: one secret in Secret Manager for the run, a version of it for each variable.

Its job refers to the versions; only the job's own service account may read them; it is deleted with the job.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from skylift.provider import Launch, ProviderError, Rejected
from skylift_cloud_run.client import Client
from skylift_cloud_run.errors import NotFound
from skylift_cloud_run.labels import to_labels
from skylift_cloud_run.request import ATTEMPT, INSTALLATION

ORPHANED = timedelta(hours=1)
"""How old a secret without a job must be before the sweep takes it: longer than any launch is under way."""


def secret_name(project: str, attempt_id: UUID) -> str:
    return f"projects/{project}/secrets/skylift-{attempt_id.hex}"


def put(client: Client, project: str, launch: Launch, values: Mapping[str, str], reader: str | None) -> dict[str, str]:
    """The number of each variable's version. May be called again: the job of another call has its own versions.

    `reader`: the job's service account. Raises `Rejected` where nobody says who is to read it.
    """
    if not reader:
        raise Rejected(
            "This bare command has secret values, and it is not known which service account would have to read them",
            remedy="Set the job variable 'service_account_name', refer to secrets of your own by 'env_from_secrets', "
            "or leave 'runner' on",
        )
    secret = secret_name(project, launch.attempt_id)
    marks = {INSTALLATION: str(launch.installation_id), ATTEMPT: str(launch.attempt_id)}
    client.create_secret(project, f"skylift-{launch.attempt_id.hex}", to_labels({}, marks))
    client.let_read(secret, f"serviceAccount:{reader}")
    return {
        name: client.add_version(secret, base64.b64encode(value.encode()).decode()) for name, value in values.items()
    }


def remove(client: Client, project: str, attempt_id: UUID) -> None:
    """What is not there is fine."""
    try:
        client.delete_secret(secret_name(project, attempt_id))
    except NotFound:
        pass


def sweep(client: Client, project: str, installation_id: UUID, attempts: frozenset[str]) -> None:
    """Delete what launches that came to nothing have left; `attempts`: the ids of those that have a job. Where we may
    not even list secrets, there are none."""
    try:
        found = list(client.list_secrets(project, INSTALLATION, str(installation_id)))
    except ProviderError:
        return
    for name, labels, created in found:
        orphan = ATTEMPT in labels and labels[ATTEMPT] not in attempts  # without: a pool's, or somebody else's
        if orphan and created and datetime.now(UTC) - datetime.fromisoformat(created) > ORPHANED:
            try:
                client.delete_secret(name)
            except NotFound:
                pass
