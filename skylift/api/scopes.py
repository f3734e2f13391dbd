"""Who may do what. Every route declares what the token of a run may do there; a test fails for one that does not.

- `OPEN`: anyone, without credentials (health, and admission, which has a proof of its own).
- `NONE`: people only.
- `own(…)`: a run's token for its own run only.
- `SHARED_READ`, `SHARED_WRITE`: what flows of all runs share.

People need the API key where one is set. A run's token is confined wherever it is shown, also where no key is set.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import select

from skylift.api.deps import PartsDep
from skylift.errors import ForbiddenError, SkyliftError
from skylift.ids import RUN_TOKEN_PREFIX, token_hash
from skylift.store import Tx
from skylift.store.attempts import CANCELLED
from skylift.store.tables import attempts, ended_attempts

LAST_LOGS = timedelta(minutes=5)
"""How long after its end an attempt may still hand in logs."""


class UnauthorizedError(SkyliftError):
    """Credentials are missing or not valid: send `Authorization: Bearer <key>`."""


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

    @property
    def is_run(self) -> bool:
        return self.kind == "run"

    def must_own(self, flow_run_id: UUID | None) -> None:
        """Raises `ForbiddenError` where a run reaches for another's. For routes that name the run in the body."""
        if self.is_run and flow_run_id != self.flow_run_id:
            raise ForbiddenError("The token of a run is valid for its own run only")


PERSON = Caller("person")


def caller_of(request: Request, parts: PartsDep) -> Caller:
    """Who this is, by the Authorization header. Raises `UnauthorizedError`."""
    secret = _secret(request.headers.get("Authorization", ""))
    if secret.startswith(RUN_TOKEN_PREFIX):
        with parts.store.reading() as tx:
            caller = find_run(tx, token_hash(secret))
        if caller is None:
            raise UnauthorizedError("This run token is not valid (any more)")
        return caller
    key = parts.settings.api_key
    if key and not hmac.compare_digest(secret.encode(), key.encode()):
        raise UnauthorizedError
    return PERSON


def find_run(tx: Tx, hashed: str) -> Caller | None:
    """Whose run token this is: of a live attempt, or of one that ended a moment ago."""
    row = tx.one(select(attempts.c.flow_run_id, attempts.c.id, attempts.c.stop).where(attempts.c.token_hash == hashed))
    if row:
        return Caller("run", row.flow_run_id, row.id, has_ended=row.stop not in (None, CANCELLED))
    row = tx.one(
        select(ended_attempts.c.flow_run_id, ended_attempts.c.id).where(
            ended_attempts.c.token_hash == hashed, ended_attempts.c.ended_at >= tx.now - LAST_LOGS
        )
    )
    return Caller("run", row.flow_run_id, row.id, has_ended=True) if row else None


CallerDep = Annotated[Caller, Depends(caller_of)]


@dataclass(frozen=True, slots=True)
class Declared:
    """A route's declaration: a dependency that lets the caller pass or not, and that a test can see."""

    scope: Scope
    parameter: str | None = None
    """The path parameter that must name the run's own run (or attempt)."""
    names: Literal["flow_run_id", "attempt_id"] = "flow_run_id"
    after_end: bool = False

    def __call__(self, request: Request, caller: CallerDep) -> None:
        if not caller.is_run:
            return
        if caller.has_ended and not self.after_end:
            raise UnauthorizedError("This run has ended: its token is only good for its last logs")
        if self.scope is Scope.NONE:
            raise ForbiddenError("The token of a run may not do this: it needs a person's credentials")
        if self.parameter and str(getattr(caller, self.names)) != _id(request.path_params[self.parameter]):
            raise ForbiddenError("The token of a run is valid for its own run only")


@dataclass(frozen=True, slots=True)
class Open:
    """The declaration of a route that asks for no credentials."""

    scope: Scope = Scope.OPEN

    def __call__(self) -> None:
        return None


def own(parameter: str, *, of: Literal["flow_run_id", "attempt_id"] = "flow_run_id", after_end: bool = False) -> Any:
    """A run's token passes where this path parameter names its own flow run (or attempt)."""
    return Depends(Declared(Scope.OWN, parameter, of, after_end))


def own_by_body(*, after_end: bool = False) -> Any:
    """As `own`, but the route itself asks `caller.must_own` for each run that its body names."""
    return Depends(Declared(Scope.OWN, after_end=after_end))


OPEN = Depends(Open())
NONE = Depends(Declared(Scope.NONE))
SHARED_READ = Depends(Declared(Scope.SHARED_READ))
SHARED_WRITE = Depends(Declared(Scope.SHARED_WRITE))


def declared(route: Any) -> Scope | None:
    """What a route declares, for the test that none is without."""
    scopes = [
        each.dependency.scope
        for each in getattr(route, "dependencies", [])
        if isinstance(each.dependency, Declared | Open)
    ]
    return scopes[0] if len(scopes) == 1 else None


def _secret(header: str) -> str:
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


def _id(value: Any) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return ""
