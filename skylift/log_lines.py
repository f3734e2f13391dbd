"""Log lines that stay lines: what others have written begins no new one, and says nothing to a terminal.

For logs that people read as they are. The functions of the clouds write JSON, where the same holds by itself.
"""

from __future__ import annotations

import logging

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
BELOW = "    | "
"""Before every further line of one record."""


class LineFormatter(logging.Formatter):
    """Formats a record so that only its first line looks like one."""

    def format(self, record: logging.LogRecord) -> str:
        first, *rest = super().format(record).splitlines()
        return "\n".join([_escaped(first), *(BELOW + _escaped(line) for line in rest)])


def _escaped(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def install() -> None:
    """Write warnings and what is worse to standard error in this form; for programs that have set up no logs."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(FORMAT))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
