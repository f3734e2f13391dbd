"""What Modal's answers mean: a table of gRPC status and message to the port's errors.

Sources: the mapping of statuses in the SDK (`modal.exception`, its module docstring), its own messages, and the words
of real answers in public issues (creation rate limit, client version).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from skylift.provider import (
    BusyError,
    OutOfCapacity,
    ProviderError,
    Rejected,
    Throttled,
    Unreachable,
)
from skylift_modal.departure import Answered, NotAgain

BUILD_PAUSE = 15.0
"""Seconds until an image that is being built is asked for again."""


@dataclass(frozen=True, slots=True)
class Row:
    statuses: str
    """gRPC statuses, or names of the SDK's exceptions that come without one."""
    words: str
    """A pattern that the message holds, whatever the case; empty: any."""
    error: type[ProviderError]
    remedy: str
    says: str = ""
    """Put before Modal's own words."""


SETTINGS = "https://modal.com/settings"
UPGRADE = "Upgrade the SDK where Skylift itself runs: pip install --upgrade 'skylift[modal]' modal"
TABLE = (
    Row(
        "RESOURCE_EXHAUSTED",
        r"rate limit|too many requests",
        Throttled,
        "Nothing has to be done: launches are paced. Ask Modal to raise the workspace's sandbox creation rate, and "
        "then raise the pool's launch rate",
    ),
    Row(
        "RESOURCE_EXHAUSTED",
        r"budget|spend|billing|payment|credit",
        OutOfCapacity,
        f"Raise the workspace's spending limit ({SETTINGS})",
    ),
    Row(
        "RESOURCE_EXHAUSTED",
        r"quota|concurren|limit",
        OutOfCapacity,
        f"Lower the pool's concurrency limit, or have the plan's limit of containers or GPUs raised ({SETTINGS})",
    ),
    Row(
        "RESOURCE_EXHAUSTED",
        "",
        OutOfCapacity,
        "Allow more regions, clouds or kinds of GPU, by 'capacity_fallbacks' for one",
    ),
    Row("INVALID_ARGUMENT FAILED_PRECONDITION VersionError", r"client version|too old|upgrade", Rejected, UPGRADE),
    Row(
        "UNAUTHENTICATED",
        "",
        Unreachable,
        "Make a new token (modal token new, or a service user's), and put it into the block 'modal_credentials'",
        "Modal does not accept the token",
    ),
    Row(
        "PERMISSION_DENIED",
        "",
        Rejected,
        "Give the token's user or service user the role of a contributor in the Modal environment",
        "The token may not do that",
    ),
    Row(
        "ImageBuildError",
        "",
        Rejected,
        "Correct 'image', 'registry_secret', 'python_version' or 'pip_packages'; the image must be for linux/amd64",
        "The image could not be built",
    ),
    Row("NOT_FOUND", r"secret", Rejected, "Create the secret in Modal's environment, or correct its name"),
    Row("NOT_FOUND", r"volume", Rejected, "Create the volume in Modal's environment, or correct 'volumes'"),
    Row("NOT_FOUND", r"environment", Rejected, "Create the environment, or correct 'environment_name'"),
    Row("NOT_FOUND", "", Rejected, "Correct the name in the pool's base job template or the job variables"),
    Row(
        "FAILED_PRECONDITION ABORTED",
        r"secret",
        Rejected,
        "Give the secret the keys that are missing, or name another one",
    ),
    Row(
        "FAILED_PRECONDITION ABORTED",
        "",
        Unreachable,
        "It is tried again by itself; look into Modal's dashboard if it stays so",
    ),
    Row(
        "INVALID_ARGUMENT OUT_OF_RANGE InvalidError ValueError TypeError",
        "",
        Rejected,
        "Correct what Modal complains of in the pool's base job template or the job variables",
    ),
    Row("RequestSizeError", "", Rejected, "Pass large values in a file or a volume instead of 'env' or 'command'"),
    Row("UNIMPLEMENTED", "", Rejected, UPGRADE),
    Row(
        "UNAVAILABLE INTERNAL UNKNOWN DEADLINE_EXCEEDED CANCELLED DATA_LOSS ConnectionError TimeoutError ClientClosed",
        "",
        Unreachable,
        "It is tried again by itself. If it stays so, see https://status.modal.com and the network of the service",
        "Modal could not be reached",
    ),
)
CLASSES = {
    "AuthError": "UNAUTHENTICATED",
    "PermissionDeniedError": "PERMISSION_DENIED",
    "NotFoundError": "NOT_FOUND",
    "ResourceExhaustedError": "RESOURCE_EXHAUSTED",
    "ConflictError": "FAILED_PRECONDITION",
    "UnimplementedError": "UNIMPLEMENTED",
    "InternalError": "INTERNAL",
    "ServiceError": "UNAVAILABLE",
    "DataLossError": "DATA_LOSS",
    "OSError": "ConnectionError",
}
"""The status that stands for an exception of the SDK which carries none, because no answer of Modal is behind it."""


def to_error(error: BaseException) -> ProviderError:
    """Never an error of the SDK itself, so that nothing of it has to be imported by whoever catches it."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, NotAgain):
        return Unreachable(
            "The connection to Modal broke after the sandbox was asked for.",
            remedy="The next look finds out whether it was made.",
        )
    if isinstance(error, asyncio.TimeoutError):
        return Unreachable("Modal did not answer in time.", remedy=TABLE[-1].remedy)
    return _by_table(status_of(error), str(error).strip(), getattr(error, "retry_after", None), type(error).__name__)


def still_building() -> BusyError:
    """Nothing was started."""
    return BusyError(
        "Modal is still building the image.",
        retry_after=BUILD_PAUSE,
        remedy="Nothing has to be done: the run is launched when it is ready, and Modal keeps the image for later runs",
    )


def status_of(error: BaseException) -> str:
    """The gRPC status behind it, or the name of its class."""
    if isinstance(error, Answered):
        return error.status
    status = getattr(error, "_grpc_status", None)
    if status is not None:
        return str(status.name)
    names = [each.__name__ for each in type(error).__mro__]
    known = [name for name in names if name in CLASSES or any(name in row.statuses.split() for row in TABLE)]
    return CLASSES.get(known[0], known[0]) if known else names[0]


def _by_table(status: str, message: str, retry_after: float | None, name: str) -> ProviderError:
    for row in TABLE:
        if status in row.statuses.split() and re.search(row.words, message, re.IGNORECASE):
            told = ": ".join(each for each in (row.says, message) if each) or status
            if issubclass(row.error, BusyError):
                return row.error(told, retry_after=retry_after, remedy=row.remedy)
            return row.error(told, remedy=row.remedy)
    return Unreachable(
        f"Modal failed in a way that is not known here: {name}: {message}",
        remedy="It is tried again; report it if it stays so",
    )
