"""Which versions of the tables this code can work with, where it can be read without importing Alembic.

A version is the id of a step of the migrations: `0007`, or `0007_from_0005` once some step has taken away or narrowed
what code of version 4 still used. So code that meets tables of a later version, as it does while a new version is being
deployed or after a return to the old one, knows by the version alone whether it may go on.
"""

from __future__ import annotations

from skylift.errors import SkyliftError

HEAD = "0003"
"""The newest step, and so the version of the tables that this code makes."""
STEPWISE = "skylift_stepwise"
"""The execution option of an engine whose database takes one change of its tables a transaction: Aurora DSQL."""


class NewerTablesError(SkyliftError):
    """The database's tables belong to a later version of Skylift."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"The database's tables are of version {version}, and this Skylift knows them up to {HEAD}: install the "
            "version that brought them there, or a later one"
        )


def number(version: str) -> int:
    """Its place in the order of versions."""
    return int(version.partition("_")[0])


def oldest_served(version: str) -> int:
    """The number of the oldest version whose code can work with tables of this version."""
    return int(version.partition("_from_")[2] or 0)


def serves(version: str | None) -> bool:
    """Whether this code can work with tables of that version; False where they have to be brought up to date first.

    Raises `NewerTablesError` where it is this code that has to be brought up to date.
    """
    if version is None or number(version) < number(HEAD):
        return False
    if oldest_served(version) > number(HEAD):
        raise NewerTablesError(version)
    return True
