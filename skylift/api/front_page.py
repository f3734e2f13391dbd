"""`/` where no console is: says so, and what to do about it."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route

from skylift.api.static_files import with_policy
from skylift.settings import Settings

POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
NOT_BUILT = "The console is not built in this copy of the source: <code>make console</code> builds it (it needs npm)."
ELSEWHERE = (
    "The console is not served here. <code>skylift ui export DIR</code> writes it for a bucket or a CDN, "
    "and SKYLIFT_CONSOLE_URL tells this page where that is."
)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Skylift</title>
<h1>Skylift</h1>
<p>{words}</p>
<p>The API is at <code>/api</code>, and described at <a href="/docs">/docs</a>.</p>
</html>
"""


def saying(words: str) -> Route:
    """A route for `/` with a page that says this, in HTML."""

    async def page(_request: Request) -> Response:
        return with_policy(HTMLResponse(PAGE.format(words=words)), POLICY)

    return Route("/", page, methods=["GET"])


def leading(url: str) -> Route:
    """A route for `/` that leads there."""

    async def page(_request: Request) -> Response:
        return RedirectResponse(url)

    return Route("/", page, methods=["GET"])


def elsewhere(settings: Settings) -> Route:
    """For function platforms, where files are a bucket's work."""
    return leading(settings.console_url) if settings.console_url else saying(ELSEWHERE)
