"""What is left of the base job template once it is rendered, as a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from skylift.job_configuration import parsed


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Registry(BaseModel):
    """Of a private image: an identity that may pull from it, or a user name and a password. Prefect's blocks for it
    bring fields of their own along, which mean nothing here."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    registry_url: str = Field(min_length=1)
    identity: str | None = None
    username: str | None = None
    password: str | None = None

    @property
    def server(self) -> str:
        """Azure wants the host alone."""
        return self.registry_url.split("://")[-1].split("/")[0]

    @model_validator(mode="after")
    def _either(self) -> Registry:
        if not self.identity and not (self.username and self.password):
            raise ValueError("needs 'identity', or 'username' and 'password'")
        return self


class AciCredentials(BaseModel):
    """The values of a block."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    client_id: str | None = None
    tenant_id: str | None = None
    client_secret: str | None = None
    credential_kwargs: dict[str, Any] | None = None

    @field_validator("credential_kwargs")
    @classmethod
    def _no_arguments(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        if given:
            raise ValueError("must be empty: which cloud of Azure's is meant, SKYLIFT_AZURE_AUTHORITY says")
        return given


class LogAnalytics(Strict):
    workspace_id: str = Field(min_length=1)
    workspace_key: str = Field(min_length=1)
    log_type: Literal["ContainerInsights", "ContainerInstanceLogs"] | None = None


class AzureFile(Strict):
    share_name: str
    storage_account_name: str
    storage_account_key: str


class Volume(Strict):
    """Exactly one of the three kinds."""

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=5, max_length=63)
    mount_path: str = Field(pattern=r"^/[^:]*$")
    read_only: bool = False
    empty_dir: bool = False
    secret: dict[str, str] | None = None
    azure_file: AzureFile | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Volume:
        if self.empty_dir + (self.secret is not None) + (self.azure_file is not None) != 1:
            raise ValueError("needs exactly one of 'empty_dir', 'secret' and 'azure_file'")
        return self


class Configuration(Strict):
    command: list[str] = Field(min_length=1)
    env: dict[str, str] = {}
    name: str | None = None
    labels: dict[str, str] = {}
    runner: bool = True
    python: str | None = None
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    subscription_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$")
    resource_group_name: str | None = Field(default=None, max_length=90, pattern=r"^[-\w.()]*[-\w()]$")
    location: str | None = None
    aci_credentials: AciCredentials | None = None

    image: str | None = None
    image_registry: Registry | None = None
    entrypoint: str | None = None
    cpu: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    memory: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    gpu_count: int | None = Field(default=None, ge=1)
    gpu_sku: Literal["K80", "P100", "V100"] | None = None
    identities: list[str] = []
    subnet_ids: list[str] = []
    dns_servers: list[str] = []
    priority: Literal["Regular", "Spot"] | None = None
    sku: Literal["Standard", "Dedicated", "Confidential"] | None = None
    zones: list[str] = []
    volumes: list[Volume] = Field(default=[], max_length=20)
    log_analytics: LogAnalytics | None = None
    pool_secret: str | None = None
    arm_template: dict[str, Any] | None = None

    # Prefect's, of which its workers make use and Skylift does not (see docs/providers/container-instance.md).
    stream_output: bool | None = None
    task_start_timeout_seconds: float | None = None
    task_watch_poll_interval: float | None = None
    keep_container_group: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, values: Any) -> Any:
        return {key: each for key, each in values.items() if each is not None} if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _gpu(self) -> Configuration:
        if bool(self.gpu_count) != bool(self.gpu_sku):
            raise ValueError("'gpu_count' and 'gpu_sku' are only of use together")
        return self


def read_configuration(values: Mapping[str, Any]) -> Configuration:
    """Raises `Rejected`, naming fields and never values."""
    return parsed(Configuration, values, "a container instance pool")
