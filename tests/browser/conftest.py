"""A real Chromium, whose pages are watched, and real services for it to look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

from tests.support.service import How, Serving, serving

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever a page tries to reach, nothing leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE = 15_000
"""Milliseconds that a page may take to show what is waited for."""
POLICY = re.compile(r"Content[- ]Security[- ]Policy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever is below this folder needs the browser."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("browser")


@dataclass
class Seen:
    """What a browser's pages did that users would not notice."""

    errors: list[str] = field(default_factory=list)
    """Exceptions that no script caught, with their stacks."""
    violations: list[str] = field(default_factory=list)
    """Of the pages' Content-Security-Policy."""
    requests: list[str] = field(default_factory=list)
    """Method and URL of what was sent; not what the policy held back."""
    answers: list[tuple[int, str]] = field(default_factory=list)
    """Status, and method and URL."""
    tolerated: str = "(?!)"
    """A pattern of violations that are expected."""
    known: str = "(?!)"
    """A pattern of exceptions, with their stacks, that are faults of a page that is not ours."""

    def watch(self, page: Page) -> None:
        """From now on."""
        page.on("pageerror", lambda error: self.errors.append(error.stack or str(error)))
        page.on("console", self._note_message)
        page.on("request", lambda request: self.requests.append(_name(request)))
        page.on("requestfailed", self._note_failure)
        page.on("response", self._note_answer)

    def refused(self) -> list[tuple[int, str]]:
        """The answers of an API that refused something."""
        return [(status, name) for status, name in self.answers if status >= 400]

    def failures(self) -> list[str]:
        """The exceptions that are nobody's known fault."""
        return [each for each in self.errors if not re.search(self.known, each)]

    def check(self) -> None:
        """No page failed, broke its policy or talked to anybody else."""
        assert self.failures() == []
        assert [each for each in self.violations if not re.search(self.tolerated, each)] == []
        assert [each for each in self.requests if not _is_here(each.partition(" ")[2])] == []

    def _note_message(self, message: ConsoleMessage) -> None:
        if POLICY.search(message.text):
            self.violations.append(message.text)

    def _note_failure(self, request: Request) -> None:
        if request.failure == "csp" and _name(request) in self.requests:
            self.requests.remove(_name(request))

    def _note_answer(self, response: Response) -> None:
        self.answers.append((response.status, _name(response.request)))


def _name(request: Request) -> str:
    return f"{request.method} {request.url}"


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob") or parts.hostname == "127.0.0.1"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests; each has a context, that is cookies and storage, of its own."""
    if not CHROMIUM.exists():
        pytest.fail(f"There is no {CHROMIUM}; `make test-browser` installs it on Debian.")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def seen() -> Iterator[Seen]:
    """What the pages of this test did; it is checked at the end."""
    noted = Seen()
    yield noted
    noted.check()


@pytest.fixture
def page(browser: Browser, seen: Seen) -> Iterator[Page]:
    """An empty page of 1400 by 900 pixels in Britain's English and in UTC, watched."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(PATIENCE)
    context.on("page", seen.watch)
    yield context.new_page()
    context.close()


Serve = Callable[..., Serving]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a real `skylift serve` with these variables in its environment; it ends with the test.

    Its home is `home`, by default a fresh one.
    """
    with ExitStack() as open_services:

        def start(home: Path = tmp_path, **variables: str) -> Serving:
            return open_services.enter_context(serving(home, How.PLAIN, **variables))

        yield start
