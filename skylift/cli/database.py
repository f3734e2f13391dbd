"""`skylift database`: copies of it, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import click

from skylift.cli.base import Group
from skylift.cli.options import confirm, output_option, tell, yes_option


@click.group(cls=Group, examples=["skylift database backup monday.db", "skylift database adopt --yes"])
def database() -> None:
    """The database itself, never over HTTP: the embedded one, or SKYLIFT_DATABASE_URL."""


@database.command(examples=["skylift database backup monday.db"])
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@output_option
def backup(file: Path, output: str) -> None:
    """Copy an SQLite database into a file, also while it is served. docs/backups.md has the way back.

    PostgreSQL has its own tools for this: pg_dump, or the snapshots of whoever hosts it.
    """
    import sqlite3

    from sqlalchemy import make_url

    from skylift.cli.embedded import explained, settings
    from skylift.store.backup import backup as copy

    with explained():
        url = make_url(settings().database)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise click.ClickException(
            "Only SQLite files are copied by this command; PostgreSQL's own is pg_dump (docs/backups.md)"
        )
    try:
        size = copy(Path(url.database), file)
    except (OSError, sqlite3.Error) as error:
        raise click.ClickException(f"Cannot write {file}: {getattr(error, 'strerror', None) or error}") from error
    tell(output, {"file": str(file), "bytes": size}, f"Copied the database to {file} ({size} bytes)")
    click.echo("Its secrets open with this installation's key only: keep that, too, elsewhere", err=True)


@database.command(examples=["skylift database adopt", "skylift database adopt --yes --keep-pools"])
@click.option("--keep-pools", is_flag=True, help="Leave work pools as they are; default: all are paused.")
@yes_option
@output_option
def adopt(keep_pools: bool, yes: bool, output: str) -> None:
    """Make an installation of its own of a restored copy, before it is first served.

    Runs that were under way are ended here and left alone where they run: they are the original's. Nothing else may be
    working on the database meanwhile.
    """
    from dataclasses import asdict

    from skylift.adoption import adopt as make_own
    from skylift.cli.embedded import parts

    with parts() as embedded:
        where = embedded.store.url.render_as_string(hide_password=True)
        confirm(f"Make {where} an installation of its own, and end the runs that are under way in it?", yes=yes)
        done = make_own(embedded, pause_pools=not keep_pools)
    message = f"This is installation {done.installation_id} now; {done.runs_ended} runs ended as crashed"
    if not keep_pools:
        message += f", {done.pools_paused} work pools paused: `skylift work-pool resume NAME` lets them start runs"
    tell(output, asdict(done), message)
