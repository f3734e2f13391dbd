"""Aurora DSQL as the database: who connects is known by a token that the function's own role signs, and no password is
kept anywhere.

    dsql://USER@CLUSTER.dsql.REGION.on.aws/postgres        USER: admin, or a role that IAM's is linked to

A token is good for a quarter of an hour and only asked for when a connection is made, so each connection gets its own.
Signing is a calculation: nothing is asked over the network. The server is known by its certificate.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, event

from skylift.errors import SkyliftError
from skylift.store.schema_version import STEPWISE
from skylift_functions.aws.sdk import client

SCHEME = "dsql"
VALID = 900
"""Seconds that a token is good for."""
_HOST = re.compile(r"[a-z0-9]+\.dsql(?:-[a-z]+)?\.([a-z0-9-]+)\.on\.aws", re.ASCII)


class DsqlAddressError(SkyliftError):
    """The address of Aurora DSQL is not dsql://USER@CLUSTER.dsql.REGION.on.aws/postgres."""


def is_dsql(url: URL) -> bool:
    return url.drivername == SCHEME


def address(url: URL) -> URL:
    """The same as a driver takes it, with the server's certificate verified. Raises `DsqlAddressError`."""
    _region(url)
    if not url.username or url.password or url.query:
        raise DsqlAddressError
    query = {"sslmode": "verify-full", "sslrootcert": _authorities()}
    return url.set(drivername="postgresql+psycopg", port=url.port or 5432, query=query)


def sign_in(engine: Engine, url: URL) -> None:
    """Have each of the engine's connections made with a token of its own, and its tables made one by one."""
    engine.update_execution_options(**{STEPWISE: True})
    # Rows that are to come bit by bit take a cursor of the server's, and the guide does not say that it has any.
    engine.dialect.supports_server_side_cursors = False

    def connects(_dialect: object, _record: object, _words: object, options: dict[str, Any]) -> None:
        options["password"] = token(url)

    event.listen(engine, "do_connect", connects)


def token(url: URL) -> str:
    """For one connection from now on. Raises `DsqlAddressError`."""
    signer = client("dsql")
    sign = signer.generate_db_connect_auth_token
    if url.username == "admin":
        sign = signer.generate_db_connect_admin_auth_token
    made: str = sign(Hostname=url.host, Region=_region(url), ExpiresIn=VALID)
    return made


def _region(url: URL) -> str:
    found = _HOST.fullmatch(url.host or "")
    if not found:
        raise DsqlAddressError
    return found[1]


def _authorities() -> str:
    """Who may vouch for servers: whom the SDK believes. The driver's own list is where functions have no files."""
    import botocore

    return os.environ.get("AWS_CA_BUNDLE") or str(Path(botocore.__file__).with_name("cacert.pem"))
