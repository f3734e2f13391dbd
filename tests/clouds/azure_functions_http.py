"""The front of the local Azure Functions: requests go to the function whose route they match, or to nobody."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from tests.clouds.azure_functions_host import FunctionApp
from tests.clouds.http_cloud import Answer, HttpCloud, Request

DROP = ("content-length", "transfer-encoding", "connection")


class Front(HttpCloud):
    def __init__(self, app: FunctionApp) -> None:
        super().__init__()
        self.app = app
        prefix = app.settings["extensions"]["http"]["routePrefix"]
        self.routes = [
            (name, _pattern(f"{prefix}/{binding['route']}".strip("/")), binding["methods"])
            for name, binding in app.triggered("httpTrigger").items()
        ]

    def answer(self, request: Request) -> Answer:
        for name, pattern, methods in self.routes:
            found = pattern.fullmatch(request.path.lstrip("/"))
            if found and request.method in [str(getattr(each, "value", each)).upper() for each in methods]:
                return self._passed_on(name, found.groupdict(), request)
        return Answer(404, b"")

    def _passed_on(self, name: str, params: dict[str, str], request: Request) -> Answer:
        query = f"?{urlencode(request.query)}" if request.query else ""
        value = {
            "method": request.method,
            "url": f"{self.url}{quote(request.path, safe='/%')}{query}",
            "headers": dict(request.headers),
            "query": dict(request.query),
            "params": params,
            "body": request.body,
        }
        outcome = self.app.invoke(name, value)
        if outcome.kind != "ok":
            return Answer(500, b"")
        told = outcome.value
        return Answer(told["status"], told["body"], {n: v for n, v in told["headers"].items() if n.lower() not in DROP})


def _pattern(route: str) -> re.Pattern[str]:
    """`{name}` is one part of a path, `{*name}` all that is left."""
    words = re.split(r"(\{\*?\w+\})", route)
    kinds = {True: r"(?P<{}>.*)", False: r"(?P<{}>[^/]+)"}
    pieces = [kinds["*" in each].format(each.strip("{}*")) if each[:1] == "{" else re.escape(each) for each in words]
    return re.compile("".join(pieces))
