"""Which project, region, job and execution an attempt's handle or configuration leads to, and with whose identity."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from skylift.provider import Rejected, Unreachable, Watched
from skylift_cloud_run import request
from skylift_cloud_run.client import Client, client_for
from skylift_cloud_run.configuration import Configuration, read_configuration
from skylift_cloud_run.views import Place, job_of, own_execution, place_of, short

REGION = "us-central1"
PLACE_FIELDS = ("credentials", "project", "region")


@dataclass(frozen=True, slots=True)
class Target:
    """Where an attempt is to be found. `job` and `execution` are full names."""

    attempt_id: UUID
    place: Place
    job: str
    execution: str | None = None
    """None: the executions of the job have to be searched."""
    is_alone: bool = False
    """Whether the job is this attempt's own."""


def read_place(configuration: Mapping[str, Any]) -> Configuration:
    """The little of a pool's configuration, rendered with its defaults alone, that says where. Raises `Rejected`."""
    return read_configuration({name: each for name, each in configuration.items() if name in PLACE_FIELDS})


def region_of(configuration: Configuration) -> str:
    """Managed pools name none: theirs is the operator's choice."""
    return configuration.region or os.environ.get("SKYLIFT_GOOGLE_REGION") or REGION


def client_and_place(configuration: Configuration) -> tuple[Client, Place]:
    """Raises `Rejected` where nobody names a project, `Unreachable` without an identity."""
    client = client_for(configuration.credentials)
    project = configuration.project or client.project
    if not project:
        raise Rejected(
            "It is not known in which project to run",
            remedy="Set the variable 'project' of the pool, or 'project' in its credentials block",
        )
    return client, Place(project, region_of(configuration))


def target_of(watched: Watched, project: str | None = None) -> Target | None:
    """None where too little is known of it. Asks nobody. `project`: what the identity says. Raises `Rejected`."""
    if watched.handle and (place := place_of(watched.handle)):
        job = job_of(watched.handle)
        is_alone = short(job).endswith(watched.attempt_id.hex)
        return Target(watched.attempt_id, place, job, watched.handle, is_alone)
    if not watched.configuration.get("env"):
        return None
    configuration = read_configuration(watched.configuration)
    named = configuration.project or (configuration.credentials and configuration.credentials.named_project) or project
    if not named:
        return None
    place = Place(named, region_of(configuration))
    if request.is_under_runner(configuration.env):
        job = place.job(request.shared_job_id(request.shared_job(configuration)))
        return Target(watched.attempt_id, place, job)
    job = place.job(request.own_job_id(configuration, watched.attempt_id))
    return Target(watched.attempt_id, place, job, own_execution(job, request.TOKEN), is_alone=True)


def find(watched: Watched) -> tuple[Client, Target]:
    """Raises one of the port's errors."""
    client = client_for(read_place(watched.configuration).credentials)
    target = target_of(watched, client.project)
    if not target:
        raise Unreachable(f"It is not known where attempt {watched.attempt_id} would run", remedy="Set 'project'")
    return client, target
