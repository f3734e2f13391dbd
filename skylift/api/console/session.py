"""/skylift/session: login of a browser, which then comes with a cookie in the place of an API key."""

from __future__ import annotations

from fastapi import Request, Response

from skylift import sessions
from skylift.api import callers, scopes
from skylift.api.callers import COOKIE, Caller, CallerDep
from skylift.api.deps import PartsDep
from skylift.api.tagged import TaggedRouter
from skylift.errors import ForbiddenError
from skylift.hosts import is_loopback
from skylift.models.console.session import Auth, SessionCreate, SessionView
from skylift.sessions import LASTS, Session

router = TaggedRouter(prefix="/skylift/session", tags=["Console"])


@router.post("", status_code=201, dependencies=[scopes.OPEN])
def begin_session(parts: PartsDep, request: Request, body: SessionCreate, response: Response) -> SessionView:
    """Show an API key once; the answer brings an HttpOnly cookie that stands for it. Takes the header
    `X-Skylift-Console`, as everything that a session changes. 401: the key is not valid."""
    callers.must_come_from_console(request)
    caller = callers.identify(parts, body.api_key)
    _must_be_person(caller)
    if not _asks_for_keys(parts, request):
        return SessionView(auth=Auth.NONE, role=caller.role, expires=None)
    cookie, session = sessions.begin(parts, body.api_key)
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int(LASTS.total_seconds()),
        path=_path(request),
        httponly=True,
        samesite="strict",
        secure=not _is_local(request),
    )
    return _view(caller, session)


@router.get("", dependencies=[scopes.OPEN])
def read_session(parts: PartsDep, request: Request, caller: CallerDep) -> SessionView:
    """Who the caller is. 401: nobody known, so a key has to be shown; `auth: none`: no key is needed here."""
    _must_be_person(caller)
    if not _asks_for_keys(parts, request):
        return SessionView(auth=Auth.NONE, role=caller.role, expires=None)
    return _view(caller, caller.session)


@router.delete("", status_code=204, dependencies=[scopes.OPEN])
def end_session(request: Request, response: Response) -> None:
    """Forget the cookie. To end a session everywhere, revoke its key."""
    callers.must_come_from_console(request)
    response.delete_cookie(COOKIE, path=_path(request), httponly=True, samesite="strict", secure=not _is_local(request))


def _view(caller: Caller, session: Session | None) -> SessionView:
    return SessionView(auth=Auth.KEY, role=caller.role, expires=session.expires if session else None)


def _must_be_person(caller: Caller) -> None:
    if caller.is_run:
        raise ForbiddenError("The token of a run may not do this: it needs a person's credentials")


def _asks_for_keys(parts: PartsDep, request: Request) -> bool:
    if request.app.state.is_trusted:
        return False
    return parts.asks_for_keys


def _path(request: Request) -> str:
    return str(request.scope.get("root_path", "")) + "/api"


def _is_local(request: Request) -> bool:
    """On the caller's own machine; everywhere else the cookie goes over TLS only."""
    return request.url.scheme == "http" and is_loopback(request.url.hostname or "")
