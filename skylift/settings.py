"""Settings: from the environment, each with a default that suits one machine."""

from __future__ import annotations

from pathlib import Path

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read from variables that begin with SKYLIFT_. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="SKYLIFT_", extra="ignore", frozen=True)

    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("skylift")),
        description="Where the embedded database, its keys and the files of local runs are",
    )
    database_url: str | None = Field(None, description="The database; default: an SQLite file in the home folder")
    api_url: str = Field("http://127.0.0.1:4200/api", description="Where runs reach the API")
    secret_key: str | None = Field(None, description="Fernet keys, comma-separated, newest first; default: a file")
    api_key: str | None = Field(None, repr=False, description="One more admin key, beside those of `skylift api-key`")
    template_env: tuple[str, ...] = Field((), description="Environment names that templates may read as {{ $NAME }}")
    catchup: float = Field(3600, ge=0, description="How old a slot missed in an outage may be and still be made")
    late_after: float = Field(15, ge=0)
    claim_batch: int = Field(50, gt=0, description="Runs claimed in one transaction")
    launch_threads: int = Field(16, gt=0, description="Launches under way side by side in one dispatch")

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.home / 'skylift.db'}"
