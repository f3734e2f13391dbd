"""What is left of the base job template once it is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from skylift.job_configuration import parsed
from skylift_cloud_run.credentials import Credentials

DAY = 86_400.0
GPU_LIMIT = 3_600.0
LONGEST = 604_800.0
"""Seconds: Cloud Run's limits for a task, 1 hour with a GPU (cloud.google.com/run/docs/configuring/task-timeout)."""


class SecretReference(BaseModel):
    """A version of a secret in Secret Manager."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secret: str = Field(min_length=1)
    version: str = "latest"

    @field_validator("version", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @classmethod
    def parse(cls, text: str) -> SecretReference:
        """`name`, `name:version` or `projects/P/secrets/NAME/versions/V`."""
        if "/versions/" in text:
            secret, _, version = text.partition("/versions/")
        else:
            secret, _, version = text.partition(":")
        return cls(secret=secret, version=version or "latest")


class Configuration(BaseModel):
    """Names as in the base job template."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    command: list[str] = []
    env: dict[str, str] = {}
    name: str | None = None
    labels: dict[str, str] = {}
    credentials: Credentials | None = None
    project: str | None = None
    region: str | None = Field(default=None, pattern=r"^[a-z]+-[a-z]+[0-9]+$")
    timeout: float | None = Field(default=None, gt=0, le=LONGEST)
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    env_from_secrets: dict[str, SecretReference] = {}
    prefect_api_key_secret: SecretReference | None = None
    prefect_api_auth_string_secret: SecretReference | None = None
    pool_secret: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_/-]+(:[A-Za-z0-9_-]+)?$")
    ephemeral_storage: str | None = Field(default=None, pattern=r"^\d+(?:G|Gi|M|Mi)$")
    cloudsql_instances: list[str] = []
    keep_job: bool = False
    job_body: dict[str, Any] = {}
    image: str | None = None
    """For pools whose job configuration has no `job_body` of its own: managed ones."""
    runner: bool = True
    python: str | None = None

    @property
    def references(self) -> dict[str, SecretReference]:
        """The variables whose values Secret Manager has."""
        prefect = {
            "PREFECT_API_KEY": self.prefect_api_key_secret,
            "PREFECT_API_AUTH_STRING": self.prefect_api_auth_string_secret,
        }
        return {**self.env_from_secrets, **{name: each for name, each in prefect.items() if each}}

    @property
    def plain(self) -> frozenset[str]:
        """What is taken for secret by its variable's name, and is none: where secrets are, and whose keys they are."""
        named = {text for each in self.references.values() for text in (each.secret, each.version)}
        known = self.credentials.plain if self.credentials else frozenset[str]()
        return known | named | ({self.pool_secret} if self.pool_secret else frozenset())

    def longest(self, body: Mapping[str, Any]) -> float:
        """Seconds that a task of this job may take where nobody says how long."""
        return GPU_LIMIT if "nodeSelector" in body["template"]["template"] else DAY

    def time_limit(self, body: Mapping[str, Any]) -> float:
        """Seconds that this run may take, shortened to what Cloud Run allows."""
        most = GPU_LIMIT if "nodeSelector" in body["template"]["template"] else LONGEST
        return min(self.timeout_seconds or self.timeout or self.longest(body), most)


def read_configuration(values: Mapping[str, Any]) -> Configuration:
    """Raises `Rejected`, naming fields and never values."""
    return parsed(Configuration, values, "a Cloud Run pool")
