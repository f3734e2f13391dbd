"""Folders of static files beside the API: each with a policy of its own, compressed once, and revalidated by ETag.

They answer what no route of the API does, and of that only what they have: everything else stays the API's 404 or 405.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from skylift.api.tagged import known_tags

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""By suffix. A table of our own: that of the machine may lack types, or have others."""
OTHER_TYPE = "application/octet-stream"
COMPRESSED = {".ico", ".png", ".woff2"}
"""What is no smaller compressed once more."""
LEAST_COMPRESSED = 1000
"""Bytes."""
INDEX = "index.html"
HASHED = "assets/"
"""The folder whose files have a hash of their content in their names, as Vite lays them: they never change."""
FOR_EVER = "public, max-age=31536000, immutable"
REVALIDATED = "no-cache"
METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class File:
    """What is sent of a file."""

    body: bytes
    media_type: str
    etag: str
    is_gzipped: bool
    stamp: tuple[int, int]
    """By which it is known whether the file has changed."""


@dataclass(frozen=True)
class Site:
    """A folder, and how it is shown."""

    folder: Path
    policy: str
    """The Content-Security-Policy."""
    path: str = ""
    """Under which its files are: empty, or `/ui`."""
    has_paths: bool = False
    """Whether its script reads the address's path: then whatever is no file is answered with its index."""
    rewritten: Callable[[bytes], bytes] = bytes
    """What is done to each file before it is sent."""
    made: Mapping[str, Callable[[Request], Response]] = field(default_factory=dict)
    """What is not in the folder, by whole path."""
    _files: dict[str, File] = field(default_factory=dict, compare=False)

    def find(self, path: str) -> str | None:
        """The file, relative to the folder, that answers for this path of a request; None: that is not ours."""
        if not path.startswith(f"{self.path}/"):
            return None
        name = path[len(self.path) + 1 :]
        if self._located(name or INDEX):
            return name or INDEX
        return INDEX if self.has_paths and not name.startswith(HASHED) and self._located(INDEX) else None

    def read(self, name: str) -> File | None:
        """A file that `find` named; None where it has gone since."""
        path = self._located(name)
        if path is None:
            return None
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        known = self._files.get(name)
        if known is None or known.stamp != stamp:
            known = self._files[name] = prepared(path, self.rewritten, stamp)
        return known

    def _located(self, name: str) -> Path | None:
        """Symbolic links are followed: package managers install some files as such."""
        parts = name.split("/")
        if "\0" in name or "\\" in name or any(part.startswith(".") or not part for part in parts):
            return None
        path = self.folder.joinpath(*parts)
        return path if path.is_file() else None


def prepared(path: Path, rewritten: Callable[[bytes], bytes], stamp: tuple[int, int]) -> File:
    """Read, rewritten and compressed."""
    import gzip  # by those alone who serve files

    body = rewritten(path.read_bytes())
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    is_gzipped = len(body) >= LEAST_COMPRESSED and path.suffix not in COMPRESSED
    if is_gzipped:
        body = gzip.compress(body, 6, mtime=0)
    return File(body, TYPES.get(path.suffix, OTHER_TYPE), etag, is_gzipped, stamp)


class SiteRoute(BaseRoute):
    """The route of a site. It goes behind all others."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the site has what is asked for."""
        if scope["type"] == "http" and scope["method"] in METHODS:
            path = _path(scope)
            if path in self.site.made or self.site.find(path):
                return Match.FULL, {}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        response = await run_in_threadpool(answer, self.site, Request(scope))
        await response(scope, receive, send)


def answer(site: Site, request: Request) -> Response:
    """What a site says to a request that `SiteRoute` matched."""
    path = _path(request.scope)
    if make := site.made.get(path):
        return with_policy(make(request), site.policy)
    name = site.find(path)
    found = site.read(name) if name else None
    if not name or not found:
        return Response(status_code=404)
    response = _response(found, request.headers)
    response.headers["Cache-Control"] = FOR_EVER if name.startswith(HASHED) else REVALIDATED
    return with_policy(response, site.policy)


def with_policy(response: Response, policy: str) -> Response:
    """The same response, kept to what the policy allows."""
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _response(found: File, headers: Headers) -> Response:
    common = {"ETag": found.etag, "Vary": "Accept-Encoding"}
    if found.etag in known_tags(headers):
        return Response(status_code=304, headers=common)
    if not found.is_gzipped:
        return Response(found.body, media_type=found.media_type, headers=common)
    if "gzip" in headers.get("Accept-Encoding", ""):
        return Response(found.body, media_type=found.media_type, headers=common | {"Content-Encoding": "gzip"})
    import gzip

    return Response(gzip.decompress(found.body), media_type=found.media_type, headers=common)
