"""Why a delivery is not taken. What is said goes to its sender: it never holds a secret."""

from __future__ import annotations

from skylift.errors import SkyliftError


class SignatureError(SkyliftError):
    """The delivery is not signed by whoever knows this webhook's secret."""


class TooLargeError(SkyliftError):
    """The delivery is larger than webhooks take."""


class MediaTypeError(SkyliftError):
    """The body is of a type that webhooks do not read."""
