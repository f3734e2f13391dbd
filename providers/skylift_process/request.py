"""Pure: a rendered job configuration in, the shim's request out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from skylift.job_configuration import parsed
from skylift.provider import Rejected
from skylift_process import shim

DEFAULT_GRACE = 30.0
"""Seconds between a request to end that names no grace (a timeout, a machine that shuts down) and force."""
ATTEMPT_VARIABLE = "SKYLIFT_ATTEMPT"
PLACES = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TMP", "TEMP", "LANG", "LANGUAGE", "TZ", "TZDIR"]
PYTHONS = ["VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "LD_LIBRARY_PATH"]
NETWORK = ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy"]
PASSED_ON = frozenset([*PLACES, *PYTHONS, *NETWORK])
PROXIES = frozenset(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"])


class Configuration(BaseModel):
    """What is left of the base job template once it is rendered."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    command: list[str] = Field(min_length=1)
    env: dict[str, str] = {}
    working_dir: str | None = None
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    name: str | None = None
    labels: dict[str, str] = {}
    runner: bool = True
    python: str | None = None


def read_configuration(values: Mapping[str, Any]) -> Configuration:
    """Raises `Rejected`, naming fields and never values."""
    configuration = parsed(Configuration, values, "a process pool")
    if not configuration.command[0]:
        raise Rejected("The command is empty.", remedy="Set 'command', or give the deployment an entrypoint.")
    for name, value in configuration.env.items():
        if not re.fullmatch(r"[^=\0]+", name) or "\0" in value:
            raise Rejected(
                f"The environment variable {name!r} cannot be set: '=' in its name, or NUL in either.",
                remedy="Correct 'env' in the pool's base job template or the job variables.",
            )
    if any("\0" in text for text in (*configuration.command, configuration.working_dir or "")):
        raise Rejected(
            "The command or the working directory contains a NUL character.",
            remedy="Remove it from 'command' or 'working_dir'.",
        )
    return configuration


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What a child gets of the service's environment: where things are, language and time; no secrets."""
    return {
        name: value
        for name, value in environment.items()
        if name in PASSED_ON or name.startswith("LC_") or (name in PROXIES and "@" not in value)
    }


def child_environment(configuration: Configuration, attempt_id: UUID, environment: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the child. Unbuffered, because output that is seen late helps nobody."""
    own = {"PYTHONUNBUFFERED": "1", **configuration.env, ATTEMPT_VARIABLE: str(attempt_id)}
    return {**passed_on(environment), **own}


def resolve_working_dir(configuration: Configuration, env: Mapping[str, str], fresh: str) -> str:
    """The absolute path to run in; `fresh` where none is asked for. Raises `Rejected` for a relative one."""
    asked = configuration.working_dir
    if not asked:
        return fresh
    if asked == "~" or asked.startswith("~/"):
        asked = env.get("HOME", os.path.expanduser("~")) + asked[1:]
    if not asked.startswith("/"):
        raise Rejected(
            f"The working directory {asked!r} is relative, and the service may run anywhere.",
            remedy="Give 'working_dir' as an absolute path, or one that begins with ~/.",
        )
    return asked


def encode_request(
    command: list[str], env: Mapping[str, str], working_dir: str, deadline: int, timeout: float | None
) -> bytes:
    """`deadline`: `shim.boot_time()` after which the shim must not start anything any more."""
    fields = [
        shim.REQUEST_MARK,
        str(deadline),
        str(DEFAULT_GRACE),
        "" if timeout is None else str(timeout),
        working_dir,
        str(len(command)),
        *command,
        *(f"{name}={value}" for name, value in env.items()),
        shim.END_MARK,
    ]
    return os.fsencode("\0".join(fields))
