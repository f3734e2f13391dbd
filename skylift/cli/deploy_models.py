"""What a deploy file may say: one model for each mapping in it. Unknown keys are refused."""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from skylift.cli.options import seconds
from skylift.models.flows import CollisionStrategy, Engine


def _seconds(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return seconds(value)
        except ValueError as error:
            raise PydanticCustomError("duration", "{message}", {"message": str(error)}) from error
    return value


def _text(value: Any) -> Any:
    if isinstance(value, int | float):
        raise PydanticCustomError("quotes", "must be text: put it in quotes")
    return value


def _words(value: Any) -> Any:
    """A command as text; a list is quoted as a shell would read it."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return shlex.join(value)
    return value


Seconds = Annotated[float, BeforeValidator(_seconds)]
Text = Annotated[str, BeforeValidator(_text)]
Words = Annotated[str, Field(min_length=1), BeforeValidator(_words)]
Limit = Annotated[int, Field(ge=0, strict=True)]
JsonObject = dict[str, Any]


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class PoolSpec(Spec):
    name: Text | None = None
    work_queue_name: Text | None = None
    job_variables: JsonObject = Field(default_factory=dict)


class ScheduleSpec(Spec):
    cron: str | None = None
    interval: Seconds | None = None
    rrule: str | None = None
    timezone: str | None = None
    day_or: bool | None = None
    anchor_date: str | None = None
    slug: Text | None = None
    active: bool = True
    parameters: JsonObject = Field(default_factory=dict)
    max_scheduled_runs: int | None = None
    catchup_seconds: Seconds | None = None

    def schedule(self) -> JsonObject:
        """The schedule itself, in its wire shape."""
        kinds = {"cron", "interval", "rrule", "timezone", "day_or", "anchor_date"}
        return self.model_dump(include=kinds, exclude_none=True)


class LimitSpec(Spec):
    limit: Limit
    collision_strategy: CollisionStrategy | None = None


class GitClone(Spec):
    repository: str
    branch: Text | None = None
    commit_sha: Text | None = None
    subdirectory: str | None = None


class Archive(Spec):
    url: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    subdirectory: str | None = None


class SetWorkingDirectory(Spec):
    directory: str


def _short(value: Any) -> Any:
    """Steps may have their full names, `prefect.deployments.steps.git_clone`."""
    if isinstance(value, dict):
        return {str(key).rpartition(".")[2]: each for key, each in value.items()}
    return value


class Step(Spec):
    git_clone: GitClone | None = None
    archive: Archive | None = None
    set_working_directory: SetWorkingDirectory | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Step:
        if len(self.model_dump(exclude_none=True)) != 1:
            known = ", ".join(type(self).model_fields)
            raise PydanticCustomError("step", "a pull step is one of {known}", {"known": known})
        return self


PullStep = Annotated[Step, BeforeValidator(_short)]


def _limit(value: Any) -> Any:
    return {"limit": value} if isinstance(value, int) and not isinstance(value, bool) else value


class DeploymentSpec(Spec):
    name: Text
    flow: Text | None = None
    entrypoint: str | None = None
    command: Words | None = None
    engine: Engine | None = None
    work_pool: PoolSpec = Field(default_factory=PoolSpec)
    schedules: list[ScheduleSpec] = Field(default_factory=list)
    parameters: JsonObject = Field(default_factory=dict)
    concurrency_limit: Annotated[LimitSpec, BeforeValidator(_limit)] | None = None
    tags: list[Text] = Field(default_factory=list)
    description: str | None = None
    version: Text | None = None
    paused: bool = False
    pull: list[PullStep] | None = None
    enforce_parameter_schema: bool = True
    catchup_seconds: Seconds | None = None


class FileSpec(Spec):
    deployments: Annotated[list[DeploymentSpec], Field(min_length=1)]
    pull: list[PullStep] | None = Field(None, description="For deployments that do not say their own")
    definitions: Any = Field(None, description="A place for anchors")
    name: Any = None
    prefect_version: Any = Field(None, alias="prefect-version")
    build: Literal[None] = Field(None, description="Skylift builds and pushes no images")
    push: Literal[None] = None


MODELS: dict[str, type[Spec]] = {
    "": FileSpec,
    "deployments": DeploymentSpec,
    "work_pool": PoolSpec,
    "schedules": ScheduleSpec,
    "concurrency_limit": LimitSpec,
    "pull": Step,
    "git_clone": GitClone,
    "archive": Archive,
    "set_working_directory": SetWorkingDirectory,
}
"""By the key that such a mapping stands under, for the keys that an error names as known."""
