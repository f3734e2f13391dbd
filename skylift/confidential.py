"""Keeping secret values out of what a cloud shows: what of a launch may go anywhere, and what may not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from skylift.provider import Rejected

SHORTEST = 6
"""A secret of fewer characters counts only as a whole value: it would be found inside half of all words, image names
and paths."""
NONCE = "SKYLIFT_NONCE"
POOL_SECRET = "SKYLIFT_POOL_SECRET"  # noqa: S105 - the name of an environment variable
"""What the runner shows at its admission, beside the nonce, where its work pool has such a secret."""


def holds_secret(text: str, secrets: Collection[str]) -> bool:
    """Whether a secret value stands in this text."""
    return text in secrets or any(len(secret) >= SHORTEST and secret in text for secret in secrets)


def split_env(env: Mapping[str, str], secrets: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The variables that may be shown, and those that hold a secret value."""
    hidden = {name: value for name, value in env.items() if holds_secret(value, secrets)}
    return {name: value for name, value in env.items() if name not in hidden}, hidden


def refuse_secrets(field: str, texts: Iterable[str], secrets: Collection[str]) -> None:
    """Raises `Rejected` where a secret value stands in a field that the cloud shows."""
    if any(holds_secret(text, secrets) for text in texts):
        raise Rejected(
            f"{field!r} holds a secret value, and the cloud shows that field to everybody who may look at the run",
            remedy=f"Put the value into 'env' and let {field!r} refer to it by the variable's name",
        )
