"""The last step before a request leaves: a check that it is still in time, inside the SDK's own machinery.

The SDK's REST transports send through `requests` sessions, each with an adapter of ours at the end. So the check also
covers what an SDK sends by itself: after a token was refreshed, or once more after a 401.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from skylift.extras import sdk
from skylift_cloud_run.credentials import EXTRA

TIMEOUT = 15.0
"""Seconds for one request: less than a third of the shortest lease that is sensible."""
CONNECTIONS = 64

_sending = threading.local()


@contextmanager
def checked_by(check: Callable[[], None]) -> Iterator[None]:
    """Every request that this thread sends meanwhile is preceded by `check`, which raises where it is too late."""
    _sending.check = check
    try:
        yield
    finally:
        _sending.check = None


def guard(session: Any) -> Any:
    """Give a `requests` session our adapter; the session itself."""
    adapter = _adapter_type()(pool_maxsize=CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def new_session(credentials: Any) -> Any:
    """An authorized session for the calls that no SDK of the extra makes."""
    return guard(sdk("google.auth.transport.requests", extra=EXTRA).AuthorizedSession(credentials))


def _adapter_type() -> Any:
    base: Any = sdk("requests.adapters", extra=EXTRA).HTTPAdapter

    class Adapter(base):  # type: ignore[misc]
        def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
            check = getattr(_sending, "check", None)
            if check:
                check()
            asked = options.get("timeout")
            options["timeout"] = min(asked, TIMEOUT) if isinstance(asked, (int, float)) else TIMEOUT
            return super().send(request, *arguments, **options)

    return Adapter
