"""A copy of an SQLite database that is in use: whole, and of one instant."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from skylift.errors import ConflictError, NotFoundError


def backup(database: Path, target: Path) -> int:
    """Write the database as it is now to a file that only its owner can read; says how many bytes that is.

    Others may read and write meanwhile. The target is there once it is complete. Raises `NotFoundError` where there is
    no database, `ConflictError` where the target exists, `OSError` and `sqlite3.Error` where it cannot be written.
    """
    if not database.is_file():
        raise NotFoundError(f"There is no database at {database}")
    if target.exists():
        raise ConflictError(f"{target} is there already: choose another name")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    address = f"{database.absolute().as_uri()}?mode=ro"
    draft.touch(mode=0o600, exist_ok=False)
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as source:
            source.execute("VACUUM INTO ?", (str(draft),))
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.link(draft, target)  # fails where another was faster
    except FileExistsError as error:
        raise ConflictError(f"{target} is there already: choose another name") from error
    finally:
        draft.unlink(missing_ok=True)
    return target.stat().st_size
