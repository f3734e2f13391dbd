"""The API goes away and comes back: the page says so, keeps what was typed, and goes on."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.console.place import Place
from tests.support.service import Serving, clean_environment


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _service(home: Path, port: int) -> Iterator[Serving]:
    command = [sys.executable, "-m", "skylift", "serve", "--port", str(port)]
    env = clean_environment() | {"SKYLIFT_HOME": str(home)}
    process = subprocess.Popen(command, env=env, cwd=home, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        line = process.stdout.readline()
        assert line.startswith("Skylift is ready at "), line
        yield Serving(line.split()[4], line)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_twenty_seconds_without_the_api(page: Page, tmp_path: Path) -> None:
    port = _free_port()
    with _service(tmp_path, port) as service:
        place = Place(service)
        place.pool("local")
        page.clock.install()
        page.goto(place.page("/pools/local/edit"))
        page.get_by_label("Description").fill("typed before")
    page.get_by_label("Concurrency limit").fill("4")
    page.get_by_role("button", name="Save").click()
    banner = page.get_by_role("alert").filter(has_text="The API does not answer")
    expect(banner).to_be_visible()
    page.clock.run_for(20_000)
    page.get_by_label("Description").fill("typed while it was away")
    expect(banner).to_be_visible()
    with _service(tmp_path, port):
        page.clock.run_for(4_000)
        expect(banner).to_have_count(0)
        expect(page.get_by_label("Description")).to_have_value("typed while it was away")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("main h1")).to_have_text("local")
        saved = place.ask("GET", "/work_pools/local")
        assert (saved["description"], saved["concurrency_limit"]) == ("typed while it was away", 4)
        place.close()
