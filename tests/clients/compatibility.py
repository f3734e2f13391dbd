"""Writes docs/compatibility.md: the routes of a real Prefect server (recorded), one by one, and what Skylift does.

.venv/bin/python -m tests.clients.compatibility
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.routing import WebSocketRoute

from skylift.api import event_streams
from skylift.api.app import OUTSIDE, ROUTERS

RECORD: dict[str, Any] = json.loads((Path(__file__).with_name("data") / "routes.json").read_text())
PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"

SERVED, REFUSED, ABSENT = "served", "not supported", "absent"

# Routes that answer, but not with what is asked for.
NOT_SUPPORTED = {
    r"(POST|PUT|PATCH) /automations/(\{\})?": "501: nothing is saved, and what to do instead",
    r"(GET|DELETE) /automations/\{\}": "404: there are none yet",
    r"DELETE /automations/owned-by/\{\}": "202: there are none; clients send it with every deployment",
    r"(GET /automations/related-to/\{\}|POST /automations/(filter|count))": "there are none yet",
    r"POST /work_queues/": "422: there is no default pool; `--pool` is missing",
    r"POST /saved_searches/filter": "there are none: addresses of pages hold their filters",
    r"GET /csrf-token": "422: credentials are in headers, so there is nothing to forge; clients know this answer",
}
# Routes that differ in something that a client may see.
NOTES = {
    r"GET /collections/views/\{\}": "`aggregate-worker-metadata`, the one view that clients read; others are a 404",
    r"GET /work_queues/name/\{\}": "where one pool only has a queue of this name; else 404",
    r"GET /admin/settings": "what switches analytics and advertisement off, and nothing else",
    r"POST /ui/schemas/validate": "templates (Jinja) as values are refused with a sentence",
    r"GET /admin/version": "the version of the dialect, 3.99.0",
    r"POST /(work_pools/\{\}/get_scheduled_flow_runs)": "for pools that workers pull from",
}
# Why a route is not there; clients get 404. The first that fits counts.
REASONS = {
    r".* /ui/task_runs/(count|dashboard/counts)": "only the first generation of Prefect's own web page asks for it",
    r".* /saved_searches/.*": "only the first generation of Prefect's own web page keeps them",
    r".* /flow_runs/\{\}/graph": "`graph-v2` took its place",
    r".* /block_types/install_system_block_types": "the system's block types are there from the first start",
    r".* /task_workers/filter": "background tasks (`task.serve()`, `.delay()`) are not served",
    r"WEBSOCKET /task_runs/subscriptions/scheduled": "background tasks (`task.serve()`, `.delay()`) are not served",
    r".* (/automations)?/templates/validate": "it checks templates of automations, which are not served",
    r"WEBSOCKET /work_pools/\{\}/workers/connect": "workers fall back to polling, which is served",
}


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str

    @property
    def key(self) -> str:
        """The same for routes that differ in their parameters' names only."""
        return f"{self.method} {re.sub(r'{[^}]*}', '{}', self.path)}"


def theirs() -> list[Endpoint]:
    """What the real server has, websockets last."""
    routes = [Endpoint(method, path) for path, methods in sorted(RECORD["routes"].items()) for method in methods]
    return routes + [Endpoint("WEBSOCKET", path) for path in RECORD["websockets"]]


def ours() -> list[Endpoint]:
    found = [
        Endpoint(method, route.path)  # type: ignore[attr-defined]
        for router in (*ROUTERS, *OUTSIDE)
        for route in router.routes
        for method in sorted(route.methods)  # type: ignore[attr-defined]
    ]
    sockets = [route.path for route in event_streams.router.routes if isinstance(route, WebSocketRoute)]
    return found + [Endpoint("WEBSOCKET", path) for path in sockets]


def _fitting(table: dict[str, str], key: str) -> str | None:
    return next((words for pattern, words in table.items() if re.fullmatch(pattern, key)), None)


def verdict(endpoint: Endpoint, known: set[str]) -> tuple[str, str]:
    """What Skylift does about an endpoint, and a word on it. Raises `KeyError` where no reason is given."""
    key = endpoint.key
    if key not in known and "GET /collections/views/aggregate-worker-metadata" in known:
        known = known | {"GET /collections/views/{}"}
    if key in known:
        refused = _fitting(NOT_SUPPORTED, key)
        return (REFUSED, refused) if refused else (SERVED, _fitting(NOTES, key) or "")
    reason = _fitting(REASONS, key)
    if reason is None:
        raise KeyError(f"Say in REASONS why {key} is not served")
    return ABSENT, reason


def page() -> str:
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    known = {each.key for each in ours()}
    reference = theirs()
    verdicts = {each: verdict(each, known) for each in reference}
    number = {kind: sum(found == kind for found, _ in verdicts.values()) for kind in (SERVED, REFUSED, ABSENT)}
    yield "# Compatibility with Prefect"
    yield ""
    size = f"{len(RECORD['routes'])} paths, {len(RECORD['websockets'])} websockets"
    served, refused, absent = (number[kind] for kind in (SERVED, REFUSED, ABSENT))
    yield "Skylift speaks the REST dialect of Prefect 3. Here it is held, endpoint by endpoint, to the server of"
    yield f"Prefect {RECORD['prefect']} ({size}): of {len(reference)} endpoints **{served} are served**,"
    yield f"{refused} answer clearly that something is not supported, and {absent} are absent (a 404)."
    yield "How answers look is held to the real server by tests: the same commands and calls go to both, and every"
    yield "answer against the schemas of its OpenAPI document. Ours is at `/docs`."
    yield ""
    yield "The page is written by `python -m tests.clients.compatibility`; a test holds it to the code."
    yield ""
    yield "## What is absent, and why"
    yield ""
    yield "| endpoint | why |"
    yield "|---|---|"
    for each, (kind, words) in verdicts.items():
        if kind == ABSENT:
            yield f"| `{each.method} {each.path}` | {words} |"
    yield ""
    yield "## What answers that it is not supported"
    yield ""
    yield "| endpoint | answer |"
    yield "|---|---|"
    for each, (kind, words) in verdicts.items():
        if kind == REFUSED:
            yield f"| `{each.method} {each.path}` | {words} |"
    yield ""
    yield "## What is served"
    yield ""
    yield "| path | methods | note |"
    yield "|---|---|---|"
    paths: dict[str, list[tuple[str, str]]] = {}
    for each, (kind, words) in verdicts.items():
        if kind == SERVED:
            paths.setdefault(each.path, []).append((each.method, words))
    for path, methods in paths.items():
        notes = "; ".join(dict.fromkeys(words for _, words in methods if words))
        yield f"| `{path}` | {', '.join(method for method, _ in methods)} | {notes} |"
    yield ""
    yield "## What is ours alone"
    yield ""
    yield "| path | methods |"
    yield "|---|---|"
    expected = {each.key for each in reference} | {"GET /collections/views/aggregate-worker-metadata"}
    own: dict[str, list[str]] = {}
    for each in ours():
        if each.key not in expected:
            own.setdefault(each.path, []).append(each.method)
    for path, mine in sorted(own.items()):
        yield f"| `{path}` | {', '.join(mine)} |"
    yield ""
    yield "All paths are under `/api`, but for `/hooks/…`, which is beside it."


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE}")


if __name__ == "__main__":
    main()
