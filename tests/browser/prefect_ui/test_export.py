"""An exported page on another origin than the API's, as in a bucket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import Page, expect

from skylift.cli.root import cli
from tests.browser.console.place import Place
from tests.support.service import How, serving


class Bucket(SimpleHTTPRequestHandler):
    """Files, and the index of the page for what is none."""

    def send_head(self) -> Any:
        if not Path(self.translate_path(self.path)).is_file():
            self.path = "/ui/index.html"
        return super().send_head()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def bucket(folder: Path) -> Iterator[str]:
    """Its origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Bucket, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.timeout(300)
def test_the_page_works_on_another_origin(
    large_page: Page, tmp_path: Path, prefect_page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = large_page
    files = tmp_path / "files"
    files.mkdir()
    with (
        bucket(files) as origin,
        serving(tmp_path, How.PLAIN, SKYLIFT_UI="none", SKYLIFT_UI_ORIGINS=f'["{origin}"]') as service,
    ):
        place = Place(service)
        place.pool("local")
        monkeypatch.setenv("SKYLIFT_PREFECT_UI_FOLDER", str(prefect_page))
        export = ["ui", "export", str(files), "--prefect", "--api-url", service.url]
        assert CliRunner().invoke(cli, export).exit_code == 0
        page.goto(f"{origin}/ui/work-pools")
        field = page.get_by_placeholder("admin:pass")
        field.fill("anything: there is no key")
        field.press("Enter")
        page.get_by_role("link", name="Work Pools").click()
        expect(page.get_by_text("local").first).to_be_visible()
        place.close()
