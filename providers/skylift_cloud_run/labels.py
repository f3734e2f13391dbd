"""Google's rules for labels: at most 64, lower case letters, digits, `_` and `-`, at most 63 characters."""

from __future__ import annotations

import re
from collections.abc import Mapping

MOST = 64
LONGEST = 63
LOST_FIRST = "prefect-io-"
"""Whatever does not fit in: what is known from elsewhere goes first."""


def to_labels(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Theirs made fit, and ours, which win."""
    cleaned = {_key(name): _clean(str(value)) for name, value in theirs.items()}
    wanted = {name: value for name, value in cleaned.items() if name and name not in ours}
    by_rank = sorted(wanted, key=lambda name: name.startswith(LOST_FIRST))
    return {name: wanted[name] for name in by_rank[: MOST - len(ours)]} | dict(ours)


def _clean(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:LONGEST]


def _key(text: str) -> str:
    """Keys begin with a letter."""
    return _clean(re.sub(r"^[^A-Za-z]+", "", text))
