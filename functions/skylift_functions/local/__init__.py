"""The local platform: API, timer and wakeups in one process."""

from skylift_functions.local.service import LocalPlatform

PLATFORM = LocalPlatform()

__all__ = ["PLATFORM", "LocalPlatform"]
