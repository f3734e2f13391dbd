"""Whether runs of a pool would start, by reading only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from skylift.provider import Finding
from skylift_ecs.client import EcsClient
from skylift_ecs.credentials import Credentials


def check(configuration: Mapping[str, Any], client_of: Callable[[Credentials], EcsClient]) -> Sequence[Finding]:
    return []
