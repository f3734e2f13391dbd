"""The errors of the control plane. Each family decides what happens next; the API maps families to status codes."""

from __future__ import annotations


class SkyliftError(Exception):
    """Something went wrong in Skylift."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or type(self).__name__).strip().splitlines()[0])


class UnauthorizedError(SkyliftError):
    """Credentials are missing or not valid: send `Authorization: Bearer <key>`."""


class NotFoundError(SkyliftError):
    """There is no such thing here."""


class ConflictError(SkyliftError):
    """Something else already has this name, or is in a state that rules this out."""


class ForbiddenError(SkyliftError):
    """This may not be done with these credentials, or not to this object."""


class GoneError(SkyliftError):
    """It was here once, and was given up."""


class InvalidError(SkyliftError):
    """The input breaks a rule. `field` names the culprit as a dotted path, where there is one."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class MissingExtraError(SkyliftError):
    """A part of Skylift is not installed."""
