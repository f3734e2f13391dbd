"""A PostgreSQL of its own for a benchmark, from the machine's binaries: Prefect's migrations want `pg_trgm`, which the
tests' own PostgreSQL does not have."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
EXTENSION = "pg_trgm"


def find_binaries() -> Path:
    """The newest PostgreSQL here. Raises `SystemExit`."""
    found = [each for place in PLACES for each in Path("/").glob(place.lstrip("/")) if (each / "initdb").exists()]
    if not found and (on_path := shutil.which("initdb")):
        found.append(Path(on_path).resolve().parent)
    if not found:
        raise SystemExit(f"This needs a PostgreSQL with its contrib modules ({EXTENSION}): none is installed here")
    return max(found, key=lambda each: [int(part) for part in str(each).replace("-", "/").split("/") if part.isdigit()])


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of a server with default settings, without a database's name; it is gone afterwards."""
    binaries, folder = find_binaries(), Path(tempfile.mkdtemp(prefix="benchmark-pg-"))
    as_user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    if as_user:  # the server refuses to run as root
        shutil.chown(folder, **as_user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, log = folder / "data", folder / "log"
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **as_user}
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
    subprocess.run([binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"], **quiet)
    subprocess.run([binaries / "pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start"], **quiet)
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}"
    finally:
        subprocess.run([binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)
        shutil.rmtree(folder)


def create(server: str, name: str) -> str:
    """The URL of a new, empty database."""
    with psycopg.connect(f"{server}/postgres", autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}".encode())
    return f"{server}/{name}"


def version(server: str) -> str:
    with psycopg.connect(f"{server}/postgres") as conn:
        row = conn.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else "?"
