"""The embedded installation, for commands that work without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from pydantic import ValidationError
from sqlalchemy.exc import ArgumentError, DBAPIError

from skylift import log_lines
from skylift.parts import Parts
from skylift.settings import Settings


def settings() -> Settings:
    """From the environment. What is wrong in it is named without its value."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "SKYLIFT_" + "_".join(map(str, first["loc"][:1])).upper()
        raise click.ClickException(f"{name}: {first['msg']}") from error


@contextmanager
def explained() -> Iterator[None]:
    """Where the database cannot be opened, one line says which and why, without its URL."""
    try:
        yield
    except (DBAPIError, ArgumentError, OSError) as error:
        wanted = settings()
        what = "SKYLIFT_DATABASE_URL" if wanted.database_url else f"the database in {wanted.home}"
        reason = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        raise click.ClickException(f"Cannot open {what}: {reason}") from error


@contextmanager
def parts() -> Iterator[Parts]:
    """The parts over SKYLIFT_DATABASE_URL or the SQLite file in SKYLIFT_HOME; closed afterwards."""
    log_lines.install()
    with explained():
        opened = Parts.embedded(settings())
    try:
        yield opened
    finally:
        opened.store.close()
