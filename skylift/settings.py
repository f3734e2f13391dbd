"""Settings: from the environment, each with a default that suits one machine."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_AGE = re.compile(r"(\d{1,4})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


def age(text: Any) -> Any:
    """How long something is kept: `12h`, `90d`, `4w`; `forever` is None. An hour at least: runs report a little
    beyond their end."""
    if not isinstance(text, str):
        return text
    if text.strip().lower() in ("forever", ""):
        return None
    found = _AGE.fullmatch(text.strip().lower())
    if not found or not int(found[1]):
        raise ValueError("an age is a number with a unit, 1h at least, such as 12h, 90d or 4w; or `forever`")
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


Age = Annotated[timedelta | None, BeforeValidator(age)]


def _api_key(key: str) -> str:
    if 0 < len(key) < SHORTEST_KEY:
        raise ValueError(f"a key has at least {SHORTEST_KEY} characters, or it can be guessed: openssl rand -hex 32")
    return key


SHORTEST_KEY = 16
ApiKey = Annotated[str, AfterValidator(_api_key)]


def page_path(path: str) -> str:
    """A path that is nobody else's."""
    if not re.fullmatch(r"(/[A-Za-z0-9_-]+)+", path):
        raise ValueError("a path begins with / and does not end with it, such as /ui")
    if path.split("/")[1] in TAKEN:
        raise ValueError(f"other things are under /{path.split('/')[1]}")
    return path


TAKEN = ("api", "assets", "docs", "hooks")
PagePath = Annotated[str, AfterValidator(page_path)]
WebUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")]
Origin = Annotated[str, Field(pattern=r"^https?://[^\s/]+$")]


class Ui(StrEnum):
    """Which web pages `skylift serve` serves."""

    CONSOLE = "console"
    PREFECT = "prefect"
    BOTH = "both"
    NONE = "none"


class Settings(BaseSettings):
    """Read from variables that begin with SKYLIFT_. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="SKYLIFT_", extra="ignore", frozen=True, hide_input_in_errors=True)

    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("skylift")),
        description="Where the embedded database, its keys and the files of local runs are",
    )
    database_url: str | None = Field(None, description="The database; default: an SQLite file in the home folder")
    api_url: str = Field("http://127.0.0.1:4200/api", description="Where runs reach the API")
    secret_key: str | None = Field(None, description="Fernet keys, comma-separated, newest first; default: a file")
    api_key: ApiKey | None = Field(
        None, repr=False, description="One more admin key, beside those of `skylift api-key`"
    )
    managed_provider: str | None = Field(None, description="The type whose provider runs managed pools")
    template_env: tuple[str, ...] = Field((), description="Environment names that templates may read as {{ $NAME }}")
    catchup: float = Field(3600, ge=0, description="How old a slot missed in an outage may be and still be made")
    late_after: float = Field(15, ge=0)
    claim_batch: int = Field(50, gt=0, description="Runs claimed in one transaction")
    launch_threads: int = Field(16, gt=0, description="Launches under way side by side in one dispatch")
    retention_runs: Age = Field(None, description="How long ended runs are kept, with all that hangs on them")
    retention_logs: Age = Field(None, description="How long logs are kept, where that is shorter than their runs")
    retention_events: Age = Field(timedelta(days=30), description="How long events are kept")
    retention_artifacts: Age = Field(None, description="How long artifacts are kept")
    retention_deliveries: Age = Field(
        timedelta(days=30), description="How long webhooks' deliveries are kept, and known when they come again"
    )

    ui: Ui = Field(Ui.CONSOLE, description="Which web pages are served: console, prefect, both or none")
    prefect_ui_path: PagePath = Field("/ui", description="Where Prefect's web page is served")
    prefect_ui_folder: Path | None = Field(None, description="Its files; default: those of the installed prefect")
    console_url: WebUrl | None = Field(None, description="Where the console is, when it is not served here")
    ui_origins: tuple[Origin, ...] = Field((), description="Other origins whose pages may call the API")

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.home / 'skylift.db'}"
