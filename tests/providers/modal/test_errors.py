"""Each answer that Modal may give to a call of ours means one of the port's errors, with what to do about it."""

from __future__ import annotations

from typing import Any

import modal
import modal.exception as sdk_errors
import pytest
from grpclib import GRPCError, Status
from modal._grpc_client import grpc_error_to_modal_exception

from skylift.provider import (
    BusyError,
    OutOfCapacity,
    ProviderError,
    Rejected,
    Throttled,
    TooLate,
    Unreachable,
)
from skylift_modal.departure import Answered, NotAgain
from skylift_modal.errors import TABLE, to_error

EXPECTED: list[tuple[Status, str, type[ProviderError]]] = [
    (Status.RESOURCE_EXHAUSTED, "Sandbox creation rate limit (5/s) exceeded", Throttled),
    (Status.RESOURCE_EXHAUSTED, "Too many requests", Throttled),
    (Status.RESOURCE_EXHAUSTED, "Insufficient capacity to create sandbox.", OutOfCapacity),
    (Status.RESOURCE_EXHAUSTED, "Workspace has reached its spend limit", OutOfCapacity),
    (Status.RESOURCE_EXHAUSTED, "Limit of concurrent containers reached", OutOfCapacity),
    (Status.INVALID_ARGUMENT, "Modal client version 0.62.203 is too old. Please upgrade", Rejected),
    (Status.INVALID_ARGUMENT, "Unknown GPU type", Rejected),
    (Status.OUT_OF_RANGE, "timeout", Rejected),
    (Status.UNAUTHENTICATED, "Token ID is malformed or invalid", Unreachable),
    (Status.PERMISSION_DENIED, "no", Rejected),
    (Status.NOT_FOUND, "Secret 'db' not found in environment 'main'.", Rejected),
    (Status.NOT_FOUND, "Volume 'numbers' not found", Rejected),
    (Status.NOT_FOUND, "Environment 'dev' not found.", Rejected),
    (Status.NOT_FOUND, "Something else", Rejected),
    (Status.FAILED_PRECONDITION, "Secret 'db' is missing key(s)", Rejected),
    (Status.FAILED_PRECONDITION, "App is stopped", Unreachable),
    (Status.ABORTED, "conflict", Unreachable),
    (Status.UNIMPLEMENTED, "Method not found", Rejected),
    (Status.UNAVAILABLE, "connection reset", Unreachable),
    (Status.INTERNAL, "Internal server error", Unreachable),
    (Status.UNKNOWN, "what", Unreachable),
    (Status.DEADLINE_EXCEEDED, "late", Unreachable),
    (Status.CANCELLED, "gone", Unreachable),
    (Status.DATA_LOSS, "lost", Unreachable),
]


@pytest.mark.parametrize(("status", "message", "expected"), EXPECTED)
def test_an_answer_means(status: Status, message: str, expected: type[ProviderError]) -> None:
    """Alike whether the SDK heard it or our hook did."""
    for error in (grpc_error_to_modal_exception(GRPCError(status, message)), Answered(status.name, message)):
        meant = to_error(error)
        assert type(meant) is expected
        assert message in str(meant)
        assert meant.remedy


def test_every_status_is_in_the_table() -> None:
    known = {word for row in TABLE for word in row.statuses.split()}
    assert {each.name for each in Status} - known == {"OK", "ALREADY_EXISTS"}, "that one is not an error here"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sdk_errors.ImageBuildError("manifest unknown", "im-1"), Rejected),
        (sdk_errors.InvalidError("the name is wrong"), Rejected),
        (sdk_errors.VersionError("this client version is too old"), Rejected),
        (sdk_errors.RequestSizeError("too large"), Rejected),
        (sdk_errors.AuthError("no token"), Unreachable),
        (sdk_errors.ConnectionError("refused"), Unreachable),
        (sdk_errors.TimeoutError("late"), Unreachable),
        (sdk_errors.ClientClosed(), Unreachable),
        (sdk_errors.ServiceError("no"), Unreachable),
        (TimeoutError(), Unreachable),
        (ConnectionResetError("reset"), Unreachable),
        (NotAgain(), Unreachable),
        (KeyError("a defect"), Unreachable),
    ],
)
def test_an_exception_means(error: Exception, expected: type[ProviderError]) -> None:
    meant = to_error(error)
    assert type(meant) is expected
    assert str(meant)
    assert meant.remedy


def test_errors_of_ours_stay_what_they_are() -> None:
    error = TooLate("late")
    assert to_error(error) is error


def test_a_refusal_keeps_the_pause_that_modal_asks_for() -> None:
    meant = to_error(Answered("RESOURCE_EXHAUSTED", "rate limit", 7.0))
    assert isinstance(meant, BusyError)
    assert meant.retry_after == 7


def test_what_is_unknown_is_shown_as_it_came() -> None:
    class SurprisingError(modal.Error):  # type: ignore[misc]
        pass

    assert "SurprisingError: hitherto unseen" in str(to_error(SurprisingError("hitherto unseen")))


def test_the_sdk_has_no_exception_of_an_answer_without_a_row() -> None:
    """A newer SDK that maps its statuses otherwise shows here."""
    from modal._grpc_client import _STATUS_TO_EXCEPTION

    for status, kind in _STATUS_TO_EXCEPTION.items():
        error: Any = kind("words")
        if status is not Status.ALREADY_EXISTS:
            assert "failed in a way that is not known" not in str(to_error(error)), status
