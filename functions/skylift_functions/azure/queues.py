"""The storage SDK's clients, made when a wakeup first has to be sent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from skylift.extras import sdk
from skylift_functions.azure.platform import CLIENT, CONNECTION, ENDPOINT

EXTRA = "azure"
CONNECT, READ = 3, 5
PATIENCE: Mapping[str, Any] = {"connection_timeout": CONNECT, "read_timeout": READ, "retry_total": 1}


@cache
def client(queue: str) -> Any:
    """As the app's settings have it: by the identity, or by a connection string. Kept while the process lives."""
    queues = sdk("azure.storage.queue", extra=EXTRA)
    if text := os.environ.get(CONNECTION):
        return queues.QueueClient.from_connection_string(text, queue, **PATIENCE)
    return queues.QueueClient(os.environ[ENDPOINT], queue, credential=_identity(), **PATIENCE)


@cache
def _identity() -> Any:
    identity = sdk("azure.identity", extra=EXTRA)
    return identity.ManagedIdentityCredential(client_id=os.environ.get(CLIENT) or None, **PATIENCE)


def code_of(error: Exception) -> str:
    """What Azure called it, or the error's type."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or type(error).__name__)
