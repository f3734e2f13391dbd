"""How many container groups may be created: 300 an hour and 100 in 5 minutes, in one subscription and region.

Source: "Resource availability & quota limits for ACI" (learn.microsoft.com,
container-instances-resource-and-quota-limits), changeable limits. A token bucket lets `burst + rate * window` through
in a window: burst and rate are the largest round ones that keep both windows' limits, wherever the windows begin.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from skylift.provider import ProviderError, Quota
from skylift_container_instance.client import client_for
from skylift_container_instance.place import Place

LIMITS = ((300, 3600.0), (100, 300.0))
"""Creations, and the window in seconds."""
BURST = 80
RATE = 220 / 3600
"""Creations a second."""


ASK_AGAIN = 60.0
"""Seconds after which Azure is asked once more where a resource group is, when it did not answer."""
_unanswered: dict[Place, float] = {}


def quota(configuration: Mapping[str, Any]) -> Quota | None:
    """Asks Azure once where the resource group is, unless the pool says where its container groups go."""
    place = Place.of(configuration)
    if not place:
        return Quota(RATE, BURST)
    location = str(configuration.get("location") or "").replace(" ", "").lower() or _location(place)
    return Quota(RATE, BURST, f"azure-container-instance/{place.subscription.lower()}/{location}")


def _location(place: Place) -> str:
    """The resource group itself where Azure does not tell: less is shared then than could be."""
    if place in _unanswered and time.monotonic() < _unanswered[place] + ASK_AGAIN:
        return place.resource_group.lower()
    try:
        return client_for(place).location_of(place)
    except ProviderError:
        _unanswered[place] = time.monotonic()
        return place.resource_group.lower()
