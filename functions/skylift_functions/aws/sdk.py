"""The SDK's clients, made when an event first needs one."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

CONNECT, READ = 3, 5
_making = Lock()


@cache
def _session() -> Any:
    import botocore.session

    return botocore.session.get_session()


@cache
def _client(service: str) -> Any:
    import botocore.config

    config = botocore.config.Config(
        connect_timeout=CONNECT,
        read_timeout=READ,
        retries={"mode": "standard", "total_max_attempts": 3},
        user_agent_appid="skylift",
    )
    return _session().create_client(service, config=config)


def client(service: str) -> Any:
    """With the function's own role, in its own region; kept for as long as the process lives."""
    with _making:  # making one is not safe beside another
        return _client(service)


def code_of(error: Exception) -> str:
    """What Amazon called it, or the error's type."""
    told = (getattr(error, "response", None) or {}).get("Error") or {}
    return str(told.get("Code") or type(error).__name__)
