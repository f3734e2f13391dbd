"""The local Aurora DSQL: a real PostgreSQL behind a relay that asks for DSQL's tokens and refuses what DSQL refuses.

It is PostgreSQL at REPEATABLE READ, so that races end with SQLSTATE 40001. As in DSQL a change of the catalogue makes
the next transaction of every other session fail once (OC001), and a transaction may be told at its commit that it has
lost (OC000). Not as in DSQL, rows are locked until then, and indexes are there at once.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable

import psycopg

from tests.clouds import postgres_wire as wire
from tests.clouds.dsql_rules import Refusal, Transaction, as_postgres, is_async, kind_of, refused
from tests.clouds.dsql_tokens import Clients
from tests.clouds.postgres_wire import Message

GIBBERISH = "refused"
"""What is sent in the place of a refused statement: PostgreSQL fails it, and the transaction with it."""
LOST_ROWS = Refusal("40001", "change conflicts with another transaction, please retry: (OC000)")
LOST_CATALOGUE = Refusal("40001", "schema has been updated by another transaction, please retry: (OC001)")
BUILDING = 5
"""Transactions until an index is built, which changes the catalogue once more."""


class LocalDsql:
    """One cluster, whose only database is one of a PostgreSQL's."""

    def __init__(self, database_url: str, clients: Clients | None = None) -> None:
        """`clients`: who may sign in; None for everybody, and without TLS."""
        self.backend = psycopg.conninfo.conninfo_to_dict(database_url)
        self.clients = clients
        self.loses: Callable[[], bool] = lambda: False
        """Whether the next commit of a transaction that has written is told that it lost."""
        self.breaks_at: int | None = None
        """Changes of the catalogue after which connections break."""
        self.refusals: list[Refusal] = []
        self.catalogue = 0
        self._building: list[int] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sessions: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> LocalDsql:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._listener.close()
        for each in list(self._sessions):
            each.close()

    def refused(self) -> list[Refusal]:
        """What no retry makes good."""
        return [each for each in self.refusals if each.code != "40001"]

    def url(self, database_url: str) -> str:
        """The way to any of the PostgreSQL's databases that leads through here, for whoever needs not sign in."""
        database = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._sessions.add(client)
        try:
            opened, options = self._greet(client)
            self._sessions.add(opened)
            with opened, self._connect(options) as backend:
                Session(self, opened, backend).run()
        except (OSError, ValueError):
            pass  # whoever is gone is told nothing
        finally:
            self._sessions.discard(client)
            client.close()

    def _greet(self, client: socket.socket) -> tuple[socket.socket, dict[str, str]]:
        """The connection, encrypted if it is to be, and what its client says of itself."""
        while True:
            (length, code) = struct.unpack("!II", _exactly(client, 8))
            body = _exactly(client, length - 8)
            if code == wire.GSS_WANTED or (code == wire.TLS_WANTED and not self.clients):
                client.sendall(b"N")
            elif code == wire.TLS_WANTED and self.clients:
                client.sendall(b"S")
                client = self.clients.context.wrap_socket(client, server_side=True)
            elif code == wire.VERSION:
                options = wire.startup_options(body)
                self._sign_in(client, options["user"])
                return client, options
            else:
                raise ValueError(f"unknown request {code}")

    def _sign_in(self, client: socket.socket, user: str) -> None:
        if not self.clients:
            return
        if not isinstance(client, ssl.SSLSocket):
            raise ValueError("TLS is needed")
        client.sendall(wire.authentication(wire.ASK_FOR_PASSWORD).raw)
        (length,) = struct.unpack("!xI", _exactly(client, 5))
        token = _exactly(client, length - 4).rstrip(b"\0").decode()
        if fault := self.clients.fault_of(token, user):
            client.sendall(wire.error("28000", f"unable to accept connection, access denied: {fault}").raw)
            raise ValueError(fault)

    def _connect(self, options: dict[str, str]) -> socket.socket:
        host, port = str(self.backend["host"]), self.backend.get("port") or 5432
        made = socket.socket(socket.AF_UNIX)
        made.connect(f"{host}/.s.PGSQL.{port}")
        database = options["database"] if not self.clients else str(self.backend["dbname"])
        wanted = options | {"user": str(self.backend.get("user", "postgres")), "database": database}
        made.sendall(wire.startup(wanted | {"options": "-c default_transaction_isolation=repeatable\\ read"}))
        return made

    # -- the catalogue, which sessions share

    def changed(self, *, builds: bool) -> int:
        """A session has changed the catalogue; which state of it that session knows now."""
        with self._lock:
            self.catalogue += 1
            if builds:
                self._building.append(BUILDING)
            if self.breaks_at and self.catalogue >= self.breaks_at:
                raise ConnectionError
            return self.catalogue

    def began(self) -> int:
        """A transaction begins; the state of the catalogue."""
        with self._lock:
            self._building = [each - 1 for each in self._building]
            built = self._building.count(0)
            self.catalogue += built
            self._building = [each for each in self._building if each > 0]
            return self.catalogue


class Session:
    """One connection: what its client sends is looked at on the way, and refusals take the place of answers."""

    def __init__(self, dsql: LocalDsql, client: socket.socket, backend: socket.socket) -> None:
        self.dsql, self.client, self.backend = dsql, client, backend
        self.transaction = Transaction()
        self.known = dsql.catalogue
        self._statements: dict[str, str] = {}
        self._portals: dict[str, tuple[str, list[int]]] = {}
        self._refusal: Refusal | None = None
        """What the client is told in the place of the error or the answer that comes next."""
        self._failed = False
        self._lost = True
        self._builds = False

    def run(self) -> None:
        """Until one of both hangs up."""
        up, down = wire.Stream(), wire.Stream()
        with selectors.DefaultSelector() as ready:
            ready.register(self.client, selectors.EVENT_READ)
            ready.register(self.backend, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    from_client = key.fileobj is self.client
                    data = self._received(self.client if from_client else self.backend)
                    if not data:
                        return
                    messages = (up if from_client else down).feed(data)
                    look, target = (self._asked, self.backend) if from_client else (self._told, self.client)
                    target.sendall(b"".join(look(each).raw for each in messages))

    @staticmethod
    def _received(source: socket.socket) -> bytes:
        data = source.recv(65536)
        while isinstance(source, ssl.SSLSocket) and source.pending():
            data += source.recv(source.pending())
        return data

    # -- what the client sends

    def _asked(self, message: Message) -> Message:
        match message.kind:
            case b"P":
                (name, statement), end = wire.texts(message.body, 2)
                self._statements[name] = statement
                if refusal := refused(statement):
                    return self._refuse(refusal)
                return wire.parse(name, as_postgres(statement), message.body[end:])
            case b"B":
                (portal, name), end = wire.texts(message.body, 2)
                self._portals[portal] = self._statements.get(name, ""), wire.value_lengths(message.body, end)
            case b"E":
                (portal,), _ = wire.texts(message.body, 1)
                statement, values = self._portals[portal]
                if refusal := self._executes(statement, values):
                    return self._refuse(refusal)
            case b"Q":
                (statement,), _ = wire.texts(message.body, 1)
                refusal = refused(statement) or self._executes(statement, [])
                if refusal is LOST_ROWS:
                    self._refusal = refusal
                    return wire.query("ROLLBACK")
                return (
                    wire.query(GIBBERISH) if refusal and self._refuse(refusal) else wire.query(as_postgres(statement))
                )
        return message

    def _executes(self, statement: str, values: list[int]) -> Refusal | None:
        kind = kind_of(statement)
        if kind == "commit":
            lost = self.transaction.writes and not self._failed and self.dsql.loses()
            return LOST_ROWS if lost else None
        if kind in ("begin", "rollback", "setting", "nothing"):
            return None
        if self.transaction.is_fresh:
            known, self.known = self.known, self.dsql.began()
            self._lost = known != self.known and not self._lost  # not twice, and not at once
            if self._lost:
                self.transaction.take(kind, values)
                return LOST_CATALOGUE
        self._builds = is_async(statement)
        return self.transaction.take(kind, values)

    def _refuse(self, refusal: Refusal) -> Message:
        if not self._failed:
            self.dsql.refusals.append(refusal)
            self._refusal, self._failed = refusal, True
        return wire.parse("", GIBBERISH)

    # -- what PostgreSQL answers

    def _told(self, message: Message) -> Message:
        match message.kind:
            case b"E":
                self._failed = True
                return self._instead() or message
            case b"C":
                told, rows = message.body.rstrip(b"\0").split(), 0
                if told[0] in (b"INSERT", b"UPDATE", b"DELETE"):
                    rows = int(told[-1])
                if refusal := self.transaction.changed(rows):
                    self.dsql.refusals.append(refusal)
                    self._failed = True
                    return wire.error(refusal.code, refusal.message)
                return self._instead() or message
            case b"Z":
                return self._ready(message)
        return message

    def _instead(self) -> Message | None:
        refusal, self._refusal = self._refusal, None
        return wire.error(refusal.code, refusal.message) if refusal else None

    def _ready(self, message: Message) -> Message:
        """For the next command: outside of a transaction, within one, or within one that has failed."""
        if message.body == b"I":
            if self.transaction.changes and not self._failed:
                self.known = self.dsql.changed(builds=self._builds)
            self.transaction, self._failed = Transaction(), False
            return message
        return Message(b"Z", b"E") if self._failed else message


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := source.recv(count - len(data))):
            raise ConnectionError
        data += more
    return data
