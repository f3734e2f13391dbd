"""Who may do what. Every route declares what the token of a run may do there; a test fails for one that does not.

- `OPEN`: anyone, without credentials (health, and admission, which has a proof of its own).
- `NONE`, `READ`, `DEPLOY`: people only.
- `own(…)`: a run's token for its own run and its subflows only; `seen(…)`: to look, also for runs that it asked for.
- `SHARED_READ`, `SHARED_WRITE`, `KEPT_WRITE`: what flows of all runs share. Filters of runs, and of what belongs to
  them, answer with what is in the run's sight.

People come with an API key, which has a role: where a route names none, reading takes a viewer, what runs may do too
takes a deployer, and all else an admin. While there is no key at all, whoever reaches the API is an admin. A run's
token is confined wherever it is shown, also where no key is set.

A browser comes with the cookie of its session in the key's place (`skylift.sessions`); what it changes it must ask for
with a header of its own, which no other site's page can send.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Column, Row, select

from skylift import sessions
from skylift.api import strangers
from skylift.errors import ForbiddenError, UnauthorizedError
from skylift.ids import API_KEY_PREFIX, RUN_TOKEN_PREFIX, token_hash
from skylift.models.api_keys import Role
from skylift.parts import Parts
from skylift.sessions import Session
from skylift.store import Store, Tx, api_keys, sight
from skylift.store.attempts import CANCELLED
from skylift.store.tables import attempts, ended_attempts, task_runs

OWN_ONLY = "The token of a run is valid for its own run only"
LAST_LOGS = timedelta(minutes=5)
"""How long after its end an attempt may still hand in logs."""
COOKIE = "skylift_session"
CONSOLE_HEADER = "X-Skylift-Console"
"""What a request that changes something, or asks by POST, must have beside the cookie."""
SAFE = ("GET", "HEAD", "OPTIONS")


class Scope(StrEnum):
    """What a run's token may do on a route."""

    OPEN = "open"
    NONE = "none"
    OWN = "own"
    SHARED_READ = "shared-read"
    SHARED_WRITE = "shared-write"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent the request."""

    kind: Literal["person", "run"]
    flow_run_id: UUID | None = None
    attempt_id: UUID | None = None
    has_ended: bool = False
    """A run's attempt that is over or given up, and may only hand in its last logs."""
    is_clearing_up: bool = False
    """It has ended by its own report: what it shares with others stays open to it, for hooks that run after the end."""
    role: Role = Role.ADMIN
    """A person's."""
    session: Session | None = None
    """A person's who came with a session's cookie."""
    is_anybody: bool = False
    """Let in because there is no key: it may be a browser that does another site's bidding."""

    @property
    def is_run(self) -> bool:
        return self.kind == "run"

    def must_be(self, role: Role) -> None:
        """Raises `ForbiddenError` where a person's key allows less than this."""
        if not self.is_run and ROLES.index(self.role) > ROLES.index(role):
            raise ForbiddenError(f"This takes an API key with the role {role}; yours is {self.role}")

    def must_own(self, flow_run_id: UUID | None) -> None:
        """Raises `ForbiddenError` where a run reaches for another's. For routes that name the run in the body."""
        if self.is_run and flow_run_id != self.flow_run_id:
            raise ForbiddenError(OWN_ONLY)

    def must_reach(self, store: Store, *flow_run_ids: UUID | None) -> None:
        """As `must_own`, but a run also reaches its subflows at any depth."""
        if not self.is_run or set(flow_run_ids) <= {self.flow_run_id}:
            return
        with store.reading() as tx:
            if not self.reached(tx, {each for each in flow_run_ids if each}) >= set(flow_run_ids):
                raise ForbiddenError(OWN_ONLY)

    def must_reach_task_run(self, store: Store, task_run_id: UUID | None) -> None:
        """Raises `ForbiddenError` where this is a task run of another's flow run. None, or one that is not there: it is
        nobody's."""
        if not self.is_run or task_run_id is None:
            return
        with store.reading() as tx:
            row = tx.one(select(task_runs.c.flow_run_id).where(task_runs.c.id == task_run_id))
        if row:
            self.must_reach(store, row.flow_run_id)

    def must_see(self, tx: Tx, *flow_run_ids: UUID | None) -> None:
        """Raises `ForbiddenError` where a run asks about another that is neither its own, nor a subflow, nor one that
        it has asked for."""
        if not self.flow_run_id:
            return
        if not sight.seen(tx, self.flow_run_id, {each for each in flow_run_ids if each}) >= set(flow_run_ids):
            raise ForbiddenError(OWN_ONLY)

    def must_see_task_run(self, tx: Tx, task_run_id: UUID | None) -> None:
        """As `must_see`, of a task run's flow run. One that is not there: it is nobody's."""
        if not self.is_run or task_run_id is None:
            return
        row = tx.one(select(task_runs.c.flow_run_id).where(task_runs.c.id == task_run_id))
        if row:
            self.must_see(tx, row.flow_run_id)

    def has_asked_for(self, tx: Tx, run: Row[Any], *, made: bool, parent: UUID | None) -> None:
        """A run has created this one, or got the one that its idempotency key brought: it may look after it. Raises
        `ForbiddenError` for one that a schedule made, whose key anyone can tell."""
        if not self.flow_run_id or (made and parent):
            return
        if run.auto_scheduled:
            raise ForbiddenError(OWN_ONLY)
        sight.note_asked(tx, self.flow_run_id, run.id)

    def reached(self, tx: Tx, flow_run_ids: Iterable[UUID]) -> set[UUID]:
        """Those of these flow runs that the caller may speak for: its own and its subflows, or all to a person."""
        if not self.flow_run_id:
            return set(flow_run_ids)
        return sight.own_or_below(tx, self.flow_run_id, flow_run_ids)


ROLES = list(Role)
PERSON = Caller("person")
ANYBODY = Caller("person", is_anybody=True)


async def caller_of(request: Request) -> Caller:
    """Who this is, by the Authorization header, or else by the cookie of a session; found out once for each request.
    Raises `UnauthorizedError`, and `ForbiddenError` for a cookie that another site's page may have sent along."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is None:
        known = request.state.caller = await _identified(request)
    return known


async def _identified(request: Request) -> Caller:
    if request.app.state.is_trusted:
        return PERSON
    parts: Parts = request.app.state.parts
    header, cookie = request.headers.get("Authorization", ""), request.cookies.get(COOKIE)
    by_cookie = bool(cookie and not header)
    shown = cookie if cookie and by_cookie else secret_of(header)
    find = _of_session if by_cookie else identify
    caller = find(parts, shown) if parts.store.answers_at_once else await run_in_threadpool(find, parts, shown)
    if caller.session and request.method not in SAFE:
        must_come_from_console(request)
    if caller.is_anybody:
        strangers.refuse(request.headers, parts.settings.api_url)
    return caller


def must_come_from_console(request: Request) -> None:
    """Raises `ForbiddenError` for what another site's page may have sent."""
    if CONSOLE_HEADER not in request.headers:
        raise ForbiddenError(f"With the cookie of a session this takes the header {CONSOLE_HEADER}: 1")


def _of_session(parts: Parts, cookie: str) -> Caller:
    session = sessions.opened(parts, cookie)
    if session:
        with parts.store.reading() as tx:
            role = sessions.role_in(parts, tx, session)
        if role:
            return Caller("person", role=role, session=session)
    return identify(parts, "")  # as if it had come without: where nobody needs a key, nobody needs a session


def identify(parts: Parts, secret: str) -> Caller:
    """Whose secret this is. Raises `UnauthorizedError`."""
    if secret.startswith(RUN_TOKEN_PREFIX):
        with parts.store.reading() as tx:
            caller = find_run(tx, attempts.c.token_hash, ended_attempts.c.token_hash, token_hash(secret))
        if caller is None:
            raise UnauthorizedError("This run token is not valid (any more)")
        return caller
    key = parts.settings.api_key
    if key and hmac.compare_digest(secret.encode(), key.encode()):
        return PERSON
    role = None
    if secret.startswith(API_KEY_PREFIX):
        with parts.store.reading() as tx:
            role = api_keys.role_of(tx, secret)
    if role is None and not key and not api_keys.are_there(parts.store):
        return ANYBODY
    if role is None:
        raise UnauthorizedError
    return Caller("person", role=role)


def still(tx: Tx, caller: Caller) -> Caller | None:
    """The caller as it is by now; None: its token is not valid any more. For connections that stay open."""
    return find_run(tx, attempts.c.id, ended_attempts.c.id, caller.attempt_id) if caller.is_run else caller


def find_run(tx: Tx, live: Column[Any], ended: Column[Any], value: Any) -> Caller | None:
    """Whose token this is: of a live attempt, or of one that ended a moment ago. Found by a column of either table."""
    row = tx.one(select(attempts.c.flow_run_id, attempts.c.id, attempts.c.stop).where(live == value))
    if row:
        return Caller("run", row.flow_run_id, row.id, has_ended=row.stop not in (None, CANCELLED))
    row = tx.one(
        select(ended_attempts.c.flow_run_id, ended_attempts.c.id, ended_attempts.c.reported_end).where(
            ended == value, ended_attempts.c.token_hash.is_not(None), ended_attempts.c.ended_at >= tx.now - LAST_LOGS
        )
    )
    return Caller("run", row.flow_run_id, row.id, has_ended=True, is_clearing_up=row.reported_end) if row else None


CallerDep = Annotated[Caller, Depends(caller_of)]


@dataclass(frozen=True, slots=True)
class Declared:
    """A route's declaration: a dependency that lets the caller pass or not, and that a test can see."""

    scope: Scope
    parameter: str | None = None
    """The path parameter that must name the run's own run (or attempt)."""
    names: Literal["flow_run_id", "attempt_id"] = "flow_run_id"
    after_end: bool = False
    in_hooks: bool = False
    """Whether a run that has reported its own end may still do it, as with what is shared."""
    role: Role | None = None
    """What a person's key must have; None: told by the rest."""
    only_looks: bool = False
    """The run that is named may also be one that the caller has asked for."""

    async def __call__(self, request: Request) -> None:
        # On the loop as far as no database is asked: each thread that is waited for costs as much as a query. So does
        # each dependency that FastAPI has to look up: this one asks for the request alone.
        caller = await caller_of(request)
        request.state.seen_by = caller.flow_run_id
        if not caller.is_run:
            caller.must_be(self.role_for(request.method))
            return
        is_open = self.after_end or (caller.is_clearing_up and (self.in_hooks or self.scope in SHARED))
        if caller.has_ended and not is_open:
            raise UnauthorizedError("This run has ended: its token is only good for its last logs")
        if self.scope is Scope.NONE:
            raise ForbiddenError("The token of a run may not do this: it needs a person's credentials")
        if self.parameter:
            named = _id(request.path_params[self.parameter])
            await run_in_threadpool(self._check_named, caller, request.app.state.parts, named)

    def _check_named(self, caller: Caller, parts: Parts, named: UUID | None) -> None:
        if self.only_looks:
            with parts.store.reading() as tx:
                caller.must_see(tx, named)
        elif self.names == "flow_run_id":
            caller.must_reach(parts.store, named)
        elif named != caller.attempt_id:
            raise ForbiddenError(OWN_ONLY)

    def role_for(self, method: str) -> Role:
        """What a person's key must have for this."""
        if self.role:
            return self.role
        if method == "GET" or self.scope is Scope.SHARED_READ:
            return Role.VIEWER
        return Role.ADMIN if self.scope is Scope.NONE else Role.DEPLOYER


@dataclass(frozen=True, slots=True)
class Open:
    """The declaration of a route that asks for no credentials."""

    scope: Scope = Scope.OPEN

    async def __call__(self) -> None:
        return None


def own(
    parameter: str,
    *,
    of: Literal["flow_run_id", "attempt_id"] = "flow_run_id",
    after_end: bool = False,
    role: Role | None = None,
) -> Any:
    """A run's token passes where this path parameter names its own flow run or a subflow of it (or its attempt)."""
    return Depends(Declared(Scope.OWN, parameter, of, after_end, role=role))


def own_by_body(*, after_end: bool = False, in_hooks: bool = False, role: Role | None = None) -> Any:
    """As `own`, but the route itself asks `caller.must_own` or `must_reach` for each run that its body names."""
    return Depends(Declared(Scope.OWN, after_end=after_end, in_hooks=in_hooks, role=role))


def seen(parameter: str | None = None) -> Any:
    """A run's token passes where this path parameter names a flow run in its sight; without one the route itself asks
    `caller.must_see` for the run that its answer belongs to."""
    return Depends(Declared(Scope.OWN, parameter, in_hooks=True, role=Role.VIEWER, only_looks=True))


OPEN = Depends(Open())
NONE = Depends(Declared(Scope.NONE))
READ = Depends(Declared(Scope.NONE, role=Role.VIEWER))
"""For what reads though its method is not GET."""
DEPLOY = Depends(Declared(Scope.NONE, role=Role.DEPLOYER))
SHARED_READ = Depends(Declared(Scope.SHARED_READ))
SHARED_WRITE = Depends(Declared(Scope.SHARED_WRITE))
KEPT_WRITE = Depends(Declared(Scope.SHARED_WRITE, role=Role.ADMIN))
"""What runs may write, and of people only admins: credentials, which pools use."""
SHARED = (Scope.SHARED_READ, Scope.SHARED_WRITE)


def declared(route: Any) -> Scope | None:
    """What a route declares, for the test that none is without."""
    scopes = [
        each.dependency.scope
        for each in getattr(route, "dependencies", [])
        if isinstance(each.dependency, Declared | Open)
    ]
    return scopes[0] if len(scopes) == 1 else None


def secret_of(header: str) -> str:
    """The credential in an Authorization header; empty where there is none. Of Basic ones it is the password."""
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() != "basic":
        return ""
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2] if ":" in decoded else decoded


def _id(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
