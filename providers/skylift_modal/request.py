"""Pure: a rendered job configuration in, what Modal is asked for out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from skylift.confidential import NONCE, refuse_secrets
from skylift.job_configuration import parsed
from skylift.provider import Launch, Rejected

LONGEST = 24 * 3600
"""Seconds that a sandbox may live (Modal's guide to sandboxes, "Timeouts")."""
ARGUMENTS = 65_536
"""Characters of a command's arguments (`ARG_MAX_BYTES` in the SDK)."""
PREFIX = "skylift-"
ATTEMPT, INSTALLATION, FLOW_RUN = "skylift-attempt", "skylift-installation", "skylift-flow-run"
MARK = {"skylift": "attempt"}
"""The tag that all of ours carry, until they are cleaned up."""
TAG_LENGTH = 63
VARIABLE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
OBJECT_NAME = r"^[a-zA-Z0-9._-]{1,64}$"


class Credentials(BaseModel):
    """A Modal token, as Prefect's block and ours name its fields."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    token_id: str = Field(min_length=1)
    token_secret: str = Field(min_length=1, repr=False)


class Place(BaseModel):
    """Where sandboxes are: what every call needs of a configuration."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    modal_credentials: Credentials | None = None
    app_name: str = Field(default="skylift", pattern=OBJECT_NAME)
    environment_name: str | None = Field(default=None, pattern=OBJECT_NAME)


class Configuration(Place):
    """What is left of the base job template once it is rendered."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    command: list[str] = Field(min_length=1)
    env: dict[str, str] = {}
    name: str | None = None
    labels: dict[str, str] = {}
    image: str | None = None
    registry_secret: str | None = None
    python_version: str | None = Field(default=None, pattern=r"^3\.\d+$")
    image_packages: list[str] | None = None
    cpu: float | None = Field(default=None, gt=0)
    cpu_limit: float | None = Field(default=None, gt=0)
    memory: int | None = Field(default=None, gt=0)
    memory_limit: int | None = Field(default=None, gt=0)
    gpu: str | None = None
    cloud: str | None = None
    region: str | list[str] | None = None
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    idle_timeout: int | None = Field(default=None, gt=0)
    working_dir: str | None = Field(default=None, pattern="^/")
    block_network: bool = False
    outbound_cidr_allowlist: list[str] | None = None
    outbound_domain_allowlist: list[str] | None = None
    secrets: list[str] | None = None
    volumes: dict[str, str] | None = None
    pool_secret: str | None = None
    include_oidc_identity_token: bool = False
    runner: bool = True
    python: str | None = None

    @model_validator(mode="after")
    def limits_fit(self) -> Self:
        for what in ("cpu", "memory"):
            reserved, limit = getattr(self, what), getattr(self, f"{what}_limit")
            if limit is not None and (reserved is None or limit < reserved):
                raise ValueError(f"'{what}_limit' needs a '{what}' that is not above it")
        if self.block_network and (self.outbound_cidr_allowlist, self.outbound_domain_allowlist) != (None, None):
            raise ValueError("'block_network' leaves nothing for an allowlist to allow")
        if self.registry_secret and not self.image:
            raise ValueError("'registry_secret' is for an 'image' of your own")
        return self


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """What an image is made from. Equal plans are one image."""

    reference: str | None
    registry_secret: str | None
    python_version: str | None
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A sandbox to be."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    """All of it goes into a field that Modal keeps secret."""
    tags: Mapping[str, str]
    image: ImagePlan
    secret_names: tuple[str, ...]
    volumes: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `modal.Sandbox.create`."""


def read_place(values: Mapping[str, Any]) -> Place:
    """Raises `Rejected`."""
    return parsed(Place, {name: values.get(name) for name in Place.model_fields}, "a Modal pool")


def read_configuration(values: Mapping[str, Any]) -> Configuration:
    """Raises `Rejected`, naming fields and never values."""
    configuration = parsed(Configuration, values, "a Modal pool")
    wrong = [name for name in configuration.env if not VARIABLE.fullmatch(name)]
    if wrong:
        raise Rejected(
            f"'env': {wrong[0]!r} cannot be the name of an environment variable on Modal.",
            remedy="Use letters, digits and underscores, and no digit first.",
        )
    if sum(map(len, configuration.command)) > ARGUMENTS:
        raise Rejected(
            f"'command': its arguments are longer than the {ARGUMENTS} characters that Modal takes.",
            remedy="Pass large values in 'env', or in a file.",
        )
    if configuration.block_network and NONCE in configuration.env:
        raise Rejected(
            "'block_network': the runner could not reach Skylift from a sandbox without a network.",
            remedy="Allow the API's domain with 'outbound_domain_allowlist' instead, or switch 'runner' off.",
        )
    return configuration


def plan(launch: Launch) -> Plan:
    """What to ask for. Raises `Rejected`."""
    configuration = read_configuration(launch.configuration)
    _refuse_secrets(configuration, launch)
    named = (configuration.secrets or []) + ([configuration.pool_secret] if configuration.pool_secret else [])
    return Plan(
        name=sandbox_name(launch.attempt_id),
        command=tuple(configuration.command),
        env=configuration.env,
        tags=_tags(configuration, launch),
        image=ImagePlan(
            configuration.image or None,
            configuration.registry_secret,
            configuration.python_version,
            tuple(configuration.image_packages or ()),
        ),
        secret_names=tuple(dict.fromkeys(named)),
        volumes=configuration.volumes or {},
        options=_options(configuration),
    )


def sandbox_name(attempt_id: UUID) -> str:
    """At most 64 characters of [A-Za-z0-9._-]."""
    return PREFIX + attempt_id.hex


def attempt_of(name: str) -> UUID | None:
    """The attempt that a sandbox of this name is for; None where it is none of ours."""
    try:
        return UUID(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
    except ValueError:
        return None


def as_tag(text: str) -> str:
    """Tags are 1 to 63 characters of [A-Za-z0-9._-] (`check_tag_dict` in the SDK)."""
    return re.sub(r"[^a-zA-Z0-9._-]", "-", text)[:TAG_LENGTH]


def _tags(configuration: Configuration, launch: Launch) -> dict[str, str]:
    wished = configuration.labels | ({"name": configuration.name} if configuration.name else {})
    cleaned = {as_tag(name): as_tag(value) for name, value in wished.items() if name and value}
    ours = {
        ATTEMPT: str(launch.attempt_id),
        INSTALLATION: str(launch.installation_id),
        FLOW_RUN: str(launch.flow_run_id),
    }
    return {**cleaned, **ours, **MARK}


def _options(configuration: Configuration) -> dict[str, Any]:
    timeout = min(LONGEST, math.ceil(configuration.timeout_seconds or LONGEST))
    wished = {
        "timeout": timeout,
        "idle_timeout": configuration.idle_timeout,
        "workdir": configuration.working_dir,
        "cpu": _range(configuration.cpu, configuration.cpu_limit),
        "memory": _range(configuration.memory, configuration.memory_limit),
        "gpu": configuration.gpu,
        "cloud": configuration.cloud,
        "region": configuration.region,
        "block_network": configuration.block_network or None,
        "outbound_cidr_allowlist": configuration.outbound_cidr_allowlist,
        "outbound_domain_allowlist": configuration.outbound_domain_allowlist,
        "include_oidc_identity_token": configuration.include_oidc_identity_token or None,
    }
    return {name: value for name, value in wished.items() if value is not None}


def _range(reserved: float | None, limit: float | None) -> float | tuple[float, float] | None:
    return (reserved, limit) if reserved is not None and limit is not None else reserved


def _refuse_secrets(configuration: Configuration, launch: Launch) -> None:
    hidden = {"env", "modal_credentials"}
    # What these hold are names in Modal; the variables sound secret, so that their values count as such.
    names_only = {"pool_secret", "registry_secret", "secrets"}
    for name, value in configuration.model_dump(exclude=hidden | names_only, exclude_none=True).items():
        refuse_secrets(name, _texts(value), launch.secrets)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, each in value.items():
                yield from (*_texts(key), *_texts(each))
        case list():
            for each in value:
                yield from _texts(each)
