"""Who may do what. Every route declares what the token of a run may do there; a test fails for one that does not.

- `OPEN`: anyone, without credentials (health, and admission, which has a proof of its own).
- `NONE`, `READ`, `DEPLOY`: people only.
- `own(…)`: a run's token for its own run and its subflows only; `seen(…)`: to look, also for runs that it asked for.
- `SHARED_READ`, `SHARED_WRITE`, `KEPT_WRITE`: what flows of all runs share. Filters of runs, and of what belongs to
  them, answer with what is in the run's sight.

People come with an API key, which has a role: where a route names none, reading takes a viewer, what runs may do too
takes a deployer, and all else an admin. While there is no key at all, whoever reaches the API is an admin. A run's
token is confined wherever it is shown, also where no key is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from skylift.api.callers import OWN_ONLY, Caller, caller_of
from skylift.errors import ForbiddenError, UnauthorizedError
from skylift.models.api_keys import Role
from skylift.parts import Parts


class Scope(StrEnum):
    """What a run's token may do on a route."""

    OPEN = "open"
    NONE = "none"
    OWN = "own"
    SHARED_READ = "shared-read"
    SHARED_WRITE = "shared-write"


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


def _id(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
