"""A long log: only what is in view is in the page; it follows, and it can be searched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect

from tests.browser.console.conftest import Open
from tests.browser.console.place import Place

LINES, BATCH = 50_000, 1_000
HEAP = 200e6
"""Bytes that the page may use."""


def _post(place: Place, run: str, messages: list[str]) -> None:
    now = datetime.now(UTC)
    lines = [
        {
            "name": "test",
            "level": 40 if "needle" in message else 20,
            "message": message,
            "timestamp": (now + timedelta(microseconds=number)).isoformat(),
            "flow_run_id": run,
        }
        for number, message in enumerate(messages)
    ]
    place.ask("POST", "/logs/", lines)


def _heap(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"])


def test_fifty_thousand_lines(place: Place, show: Open) -> None:
    run = place.run(place.deployment("talks", "local", command="sleep 600"), "talker")
    for first in range(0, LINES, BATCH):
        _post(place, run, [f"line {n}" + (" needle" if n in (7, 25_000) else "") for n in range(first, first + BATCH)])

    page = show(f"/runs/{run}")
    log = page.get_by_role("region", name="Log lines")
    expect(page.get_by_text("50,000 lines", exact=True)).to_be_visible()
    expect(log.get_by_text("line 49999", exact=True)).to_be_visible()
    assert log.locator("li").count() < 100
    assert _heap(page) < HEAP

    _post(place, run, ["the newest line"])
    expect(log.get_by_text("the newest line")).to_be_visible()

    log.evaluate("box => { box.scrollTop = 20_000 * 18 }")
    expect(log.get_by_text("line 20000", exact=True)).to_be_visible()
    expect(page.get_by_label("Follow")).not_to_be_checked()
    place.ask("POST", "/logs/", [])
    _post(place, run, ["one more"])
    expect(page.get_by_text("50,002 lines", exact=True)).to_be_visible()
    expect(log.get_by_text("line 20000", exact=True)).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type("NEEDLE")
    expect(page.get_by_text("1 of 2")).to_be_visible()
    expect(log.get_by_text("line 7 needle")).to_be_visible()
    page.keyboard.press("Enter")
    expect(log.get_by_text("line 25000 needle")).to_be_visible()
    page.get_by_label("Search the log").fill("")
    page.get_by_label("Level").select_option("ERROR and above")
    expect(page.get_by_text("2 lines", exact=True)).to_be_visible()
    place.ask("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
