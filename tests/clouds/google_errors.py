"""Errors in the form in which Google's APIs answer them."""

from __future__ import annotations

from typing import Any

from tests.clouds.mischief import Kind


class ApiError(Exception):
    """To be answered as it is."""

    def __init__(self, code: int, status: str, message: str, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.code, self.status, self.message, self.details = code, status, message, details or []

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        return {"error": error | ({"details": self.details} if self.details else {})}


def not_found(kind: str, name: str) -> ApiError:
    return ApiError(
        404, "NOT_FOUND", f"Resource '{name.rpartition('/')[2]}' of kind '{kind}' in project does not exist."
    )


def too_many(metric: str) -> ApiError:
    """`metric`: the quota's name, such as `Job run requests`."""
    message = (
        f"Quota exceeded for quota metric '{metric}' and limit '{metric} per minute per region' of service "
        "'run.googleapis.com' for consumer 'project_number:1'."
    )
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {"service": "run.googleapis.com", "quota_limit": f"{metric.replace(' ', '')}PerMinutePerRegion"},
    }
    return ApiError(429, "RESOURCE_EXHAUSTED", message, [info])


def denied(permission: str) -> ApiError:
    return ApiError(403, "PERMISSION_DENIED", f"Permission '{permission}' denied on resource (or it may not exist).")


def of_mischief(kind: Kind, permission: str) -> ApiError:
    """What Google says to a request that is to be refused so."""
    match kind:
        case "throttle":
            return too_many("Write requests")
        case "no_room":
            message = "Maximum number of running job executions reached: 1000 in this region."
            return ApiError(429, "RESOURCE_EXHAUSTED", message)
        case "deny":
            return denied(permission)
        case _:
            return ApiError(503, "UNAVAILABLE", "The service is currently unavailable.")
