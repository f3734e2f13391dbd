"""Secret variables of bare commands: a file per attempt in a bucket of the user's, read by ECS when the task starts and
deleted when it is over. (An override knows no reference to a secret, and whatever else it holds is shown.)"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from skylift.provider import Launch, Rejected
from skylift_ecs.client import EcsClient

FOLDER = "skylift/"


def folder_of(attempt_id: UUID) -> str:
    return f"{FOLDER}{attempt_id}/"


def key_of(installation_id: UUID, attempt_id: UUID) -> str:
    """The attempt first: whoever cleans up knows no more than that."""
    return f"{folder_of(attempt_id)}{installation_id}.env"


def write(client: EcsClient, bucket: str | None, launch: Launch, hidden: Mapping[str, str]) -> str:
    """The file's ARN, once it is there. Raises `Rejected` where there is no bucket, or a value does not fit."""
    names = ", ".join(sorted(hidden))
    if not bucket:
        raise Rejected(
            f"The environment of this bare command holds secret values ({names}), and ECS shows a task's environment "
            "to everybody who may look at tasks",
            remedy="Use the runner, which gets them over HTTPS; or refer to them in 'secrets' by ARN; or name an S3 "
            "bucket in 'secrets_bucket'",
        )
    for name, value in hidden.items():
        if "\n" in value or "\r" in value or "=" in name:
            raise Rejected(
                f"The secret variable {name!r} has more than one line, which ECS's environment files cannot hold",
                remedy="Encode it (base64, say), use the runner, or refer to it in 'secrets' by ARN",
            )
    key = key_of(launch.installation_id, launch.attempt_id)
    client.put_object(bucket, key, "".join(f"{name}={hidden[name]}\n" for name in sorted(hidden)).encode())
    return f"arn:{partition(client.region)}:s3:::{bucket}/{key}"


def remove(client: EcsClient, bucket: str, attempt_id: UUID) -> None:
    for key in client.list_objects(bucket, folder_of(attempt_id)):
        client.delete_object(bucket, key)


def attempts(client: EcsClient, bucket: str, installation_id: UUID) -> set[UUID]:
    """Attempts of this installation whose file is still there."""
    found = set()
    for key in client.list_objects(bucket, FOLDER):
        _, attempt, name = (*key.split("/"), "", "")[:3]
        if name == f"{installation_id}.env":
            try:
                found.add(UUID(attempt))
            except ValueError:
                continue
    return found


def partition(region: str) -> str:
    """The first part of ARNs there."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
