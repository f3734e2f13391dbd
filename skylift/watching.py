"""What those who look at attempts share: the attempt as its provider knows it, and keeping one's trouble to itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from skylift import faults, templates
from skylift.parts import Parts
from skylift.provider import Observation, ProviderError, Watched
from skylift.rendering import Frozen, from_json
from skylift.security.sealing import SealError

log = logging.getLogger(__name__)


def guarded(who: UUID | str, work: Callable[[], object]) -> bool:
    """One attempt's trouble must not keep the others from being looked at. Says whether it went well."""
    try:
        work()
    except ProviderError as error:
        log.warning("%s: %s", who, error)
    except Exception as error:
        log.error("%s could not be looked at: %s", who, faults.told(error))
    else:
        return True
    return False


def redacted(parts: Parts, row: Row[Any], answer: Observation) -> Observation:
    frozen = opened(parts, row) if answer.reason else None
    return replace(answer, reason=templates.redact(answer.reason or "", frozen.secrets)) if frozen else answer


def opened(parts: Parts, row: Row[Any]) -> Frozen | None:
    """What was frozen on the attempt; None where nothing was, or where no key that is left opens it."""
    try:
        return from_json(parts.sealer.open(row.request)) if row.request else None
    except SealError as error:
        log.error("Attempt %s: its launch request cannot be read: %s", row.id, error)
        return None


def watched(parts: Parts, row: Row[Any]) -> Watched:
    """The attempt as its provider knows it."""
    frozen = opened(parts, row)
    return Watched(row.id, row.handle, frozen.configuration if frozen else {})
