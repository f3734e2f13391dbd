"""What all local clouds of this process saw and what was left in them, judged once: when every test is over."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from skylift.provider import Launch

SHORTEST = 6
"""A value with fewer characters may be anywhere for other reasons."""


SECRETS = ("hunter2",)
"""What every secret value has in it that tests make up without saying so: it is the custom."""


class Shows(Protocol):
    """A journal."""

    def shown(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Seen:
    journal: Shows
    by: str
    """The test that opened it."""


class Audit:
    """Told by journals that they are there, by clouds that they close, and by whoever makes up a secret."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.launches: list[Launch] = []
        """Of this process."""
        self.seen: list[Seen] = []
        self.left: list[str] = []

    def know(self, *secrets: str) -> None:
        """Values that no cloud may have been shown."""
        self.secrets |= {each for each in secrets if len(each) >= SHORTEST}

    def launches_are_noted(self) -> None:
        """From now on."""
        make = Launch.__init__

        def made(launch: Launch, *args: Any, **kwargs: Any) -> None:
            make(launch, *args, **kwargs)
            self.launches.append(launch)

        Launch.__init__ = made  # type: ignore[assignment, method-assign]

    def opens(self, journal: Shows) -> None:
        self.seen.append(Seen(journal, _test()))

    def closes(self, cloud: str, left: Iterable[str]) -> None:
        """`left`: what is there of ours that belongs to single attempts."""
        self.left += [f"{cloud} after {_test()}: {each}" for each in left]

    def leaks(self) -> list[str]:
        """Where a secret was shown: which test's cloud, and the beginning of the secret."""
        return [
            f"{seen.by}: {secret[:4]}…"
            for seen in self.seen
            if (shown := seen.journal.shown())
            for secret in self.secrets
            if secret in shown
        ]


def _test() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "no test")


AUDIT = Audit()
