"""The API as commands see it: over HTTP where a URL is set, else the same app in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
import httpx

if TYPE_CHECKING:
    from fastapi import FastAPI

PAGE = 200
TIMEOUT = httpx.Timeout(60, connect=10)


class ApiError(click.ClickException):
    """The API refused; `status` is its status code."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Sends JSON and answers with JSON; whatever goes wrong is a `click.ClickException` of one clear line."""

    def __init__(self, http: httpx.Client, url: str, *, embedded: bool) -> None:
        self._http = http
        self.url = url
        self.embedded = embedded

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer's JSON; None where it has none."""
        try:
            response = self._http.request(
                method, self.url + path, **({} if body is None else {"json": body}), params=query
            )
        except httpx.ConnectError as error:
            raise click.ClickException(
                f"No Skylift answers at {self.url}: start it with `skylift serve`, or unset SKYLIFT_API_URL "
                "(and PREFECT_API_URL) to use the embedded database"
            ) from error
        except httpx.TimeoutException as error:
            raise click.ClickException(f"{self.url} took too long to answer: try again") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise click.ClickException(f"Cannot talk to {self.url}: {error or type(error).__name__}") from error
        if response.status_code >= 400:
            raise _refusal(response)
        if response.status_code == 204 or not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise click.ClickException(
                f"{self.url} answers, but not like a Skylift API: does the URL end in /api?"
            ) from error

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, {} if body is None else body)

    def patch(self, path: str, body: Any) -> None:
        self.call("PATCH", path, body)

    def delete(self, path: str) -> None:
        self.call("DELETE", path)

    def every(self, path: str, body: dict[str, Any] | None = None, limit: int | None = None) -> list[Any]:
        """All that a filter matches (or the first `limit`), page by page."""
        found: list[Any] = []
        while limit is None or len(found) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            page = self.post(path, {**(body or {}), "limit": size, "offset": len(found)})
            found += page
            if len(page) < size:
                break
        return found


def path(*parts: str) -> str:
    """A path of the API; the parts may be names with any characters."""
    if not all(part.strip() for part in parts):
        raise click.UsageError("A name or id may not be empty")
    # A lone dot or two would be taken for a step in the path, also quoted once.
    return "/" + "/".join(part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="") for part in parts)


def _refusal(response: httpx.Response) -> ApiError:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return ApiError(f"{response.request.url} answered with status {response.status_code}", response.status_code)
    message = _sentence(body.get("detail") or body.get("exception_message") or f"status {response.status_code}")
    field = _field(body)
    if field and field not in message:
        message = f"{field}: {message}"
    if remedy := body.get("remedy"):
        message = f"{message}. {remedy}"
    if response.status_code == 401:
        message += " (the key is read from SKYLIFT_API_KEY or PREFECT_API_KEY)"
    return ApiError(message, response.status_code)


def _sentence(detail: Any) -> str:
    if isinstance(detail, list):
        return "; ".join(_sentence(each) for each in detail)
    if isinstance(detail, dict):
        return str(detail.get("msg") or detail)
    return str(detail).removeprefix("body.")


def _field(body: dict[str, Any]) -> str:
    with suppress(KeyError, IndexError, TypeError):
        where = [str(step) for step in body["exception_detail"][0]["loc"] if step != "body"]
        return ".".join(where)
    return ""


class _InProcess(httpx.BaseTransport):
    """Calls an ASGI app in this thread."""

    def __init__(self, app: FastAPI) -> None:
        self._inner = httpx.ASGITransport(app)
        self._loop = asyncio.Runner()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._loop.run(self._call(request))

    async def _call(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

    def close(self) -> None:
        self._loop.close()


def api_url() -> str | None:
    """The API's URL, where one is set."""
    url = os.environ.get("SKYLIFT_API_URL") or os.environ.get("PREFECT_API_URL")
    return url.rstrip("/") if url else None


@contextmanager
def connect() -> Iterator[Api]:
    """The API of this call's surroundings."""
    key = os.environ.get("SKYLIFT_API_KEY") or os.environ.get("PREFECT_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = api_url()
    if url:
        if not url.startswith(("http://", "https://")):
            raise click.ClickException(f"SKYLIFT_API_URL is {url!r}: it must begin with http:// or https://")
        secure = url.startswith("https://")  # certificates take a while to load, and plain HTTP needs none
        with httpx.Client(headers=headers, timeout=TIMEOUT, verify=secure) as http:
            yield Api(http, url, embedded=False)
        return
    from skylift.api.app import create_app
    from skylift.cli.embedded import parts

    with (
        parts() as embedded,
        httpx.Client(transport=_InProcess(create_app(embedded, is_trusted=True)), trust_env=False) as http,
    ):
        yield Api(http, "http://embedded/api", embedded=True)
