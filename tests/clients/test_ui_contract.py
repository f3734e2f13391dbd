"""Every endpoint that Prefect's own web page may call is one of ours, or in a list with the reason.

The page is built JavaScript, in which each call is literal: .POST(`/flow_runs/filter`, …). So its whole contract can be
read from the files; with another Prefect this test shows what is new.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.clients.compatibility import ours

CALL = re.compile(r"\.(GET|POST|PUT|PATCH|DELETE)\(`(/[^`]*)`")
FETCH = re.compile(r"fetch\(`\$\{\w+\}(/[^`?]*)[^`]*`(?:,\{method:`(\w+)`)?")
NOT_OURS = {
    "GET /collections/views/{}": "the one view that the page asks for is served: aggregate-worker-metadata",
    "POST /automations/templates/validate": "automations are not served; the list says so before anybody writes one",
    "GET /ui-settings": "not of the API: the site answers it, see skylift/api/prefect_ui.py",
}


@pytest.fixture(scope="module")
def page(prefect_python: Path) -> Path:
    """The folder of the page in the installed Prefect."""
    [found] = prefect_python.parents[1].glob("lib/python3*/site-packages/prefect/server/ui-v2")
    return found


def called(page: Path) -> Iterator[str]:
    """Method and path of each endpoint, parameters without their names."""
    for script in sorted(page.glob("assets/*.js")):
        text = script.read_text(encoding="utf-8")
        for method, path in CALL.findall(text):
            yield f"{method} {_nameless(path)}"
        for path, method in FETCH.findall(text):
            yield f"{method or 'GET'} {_nameless(path)}"


def _nameless(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


@cache
def served() -> list[re.Pattern[str]]:
    return [re.compile(re.sub(r"\\\{\\\}", "[^/]+", re.escape(each.key))) for each in ours()]


def test_what_the_page_calls_is_served(page: Path) -> None:
    endpoints = set(called(page))
    assert len(endpoints) >= 100, "the calls are not found any more: how are they written now?"
    unknown = {each for each in endpoints if not any(pattern.fullmatch(each) for pattern in served())}
    assert unknown == set(NOT_OURS)


def test_of_the_views_it_asks_for_one(page: Path) -> None:
    scripts = "".join(script.read_text(encoding="utf-8") for script in page.glob("assets/*.js"))
    assert set(re.findall(r"view:`([\w-]+)`", scripts)) == {"aggregate-worker-metadata"}
