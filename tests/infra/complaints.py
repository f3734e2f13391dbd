"""What a provider complains of while it does all that it ever does: nothing, as long as it has its rights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from skylift.provider import Finding, Observation, ProviderError

T = TypeVar("T")


class Complaints:
    """By the port's names for what was done. `package`: the provider's, whose warnings count as well."""

    def __init__(self, package: str) -> None:
        self.logger = logging.getLogger(package)
        self.told: dict[str, str] = {}

    def do(self, name: str, work: Callable[[], T]) -> T | None:
        """None where it could not be done."""
        heard = _Heard()
        self.logger.addHandler(heard)
        try:
            return work()
        except ProviderError as error:
            self.tell(name, f"{error} {error.remedy}")
        finally:
            self.logger.removeHandler(heard)
            self.tell(name, " ".join(heard.lines))
        return None

    def tell(self, name: str, words: str) -> None:
        if words:
            self.told[name] = f"{self.told.get(name, '')} {words}"

    def observed(self, name: str, seen: Observation | None) -> None:
        """An end that was not the program's own doing."""
        if seen and seen.fault:
            self.tell(name, f"{seen.reason} {seen.remedy}")

    def check(self, provider: Any, configuration: dict[str, Any], *usual: str) -> None:
        """`usual`: findings that are there in any case. What is said of rights as such stands apart: it would name any
        right that is missing."""
        for each in self.do("check", lambda: provider.check(configuration)) or []:
            if each.verdict != "ok" or each.remedy:
                self._found(each, usual)

    def _found(self, finding: Finding, usual: tuple[str, ...]) -> None:
        name = "check: permissions" if finding.what == "Permissions" else "check"
        if finding.what not in usual:
            self.tell(name, f"{finding.what}: {finding.message} {finding.remedy}")

    def name(self, right: str, *, of_rights: bool = False) -> list[str]:
        """What failed and said that it lacks this right. `of_rights`: whether it is the right to ask about rights."""
        return [
            name
            for name, words in self.told.items()
            if right.lower() in words.lower() and (of_rights or name != "check: permissions")
        ]


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
