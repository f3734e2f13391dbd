"""Who calls: a person with an API key, a browser with the cookie of a session, or a run with its token.

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
    if role is None and not parts.asks_for_keys:
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
