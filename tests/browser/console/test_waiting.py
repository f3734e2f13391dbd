"""Why a run waits, and who is in its way."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.console.conftest import Open
from tests.browser.console.place import Place

UNTIL = "sh -c 'while [ ! -e {flag} ]; do sleep 0.1; done'"
WITHIN = 5_000
"""Milliseconds: what happens is on the page that soon."""


def test_a_run_names_who_holds_its_slot_and_then_runs_by_itself(place: Place, show: Open, tmp_path: Path) -> None:
    flag, other = tmp_path / "go", tmp_path / "go-too"
    place.pool("narrow", concurrency_limit=1)
    first = place.deployment("first", "narrow", command=UNTIL.format(flag=flag))
    second = place.deployment("second", "narrow", command=UNTIL.format(flag=other))
    holder = place.run(first, "the-holder")
    place.until(lambda: place.holders("narrow"), bool)
    waiter = place.run(second, "the-waiter")

    page = show(f"/runs/{waiter}")
    why = page.locator(".why")
    expect(why).to_contain_text("is at its limit: 1 of 1 slots", timeout=WITHIN)
    expect(why.get_by_role("link", name="the-holder")).to_have_attribute("href", f"#/runs/{holder}")

    show("/pools/narrow")
    expect(page.locator(".slot").first).to_contain_text("the-holder")
    expect(page.get_by_role("row", name=re.compile("default"))).to_contain_text("the-holder")
    page.get_by_role("link", name="the-waiter").click()

    flag.touch()
    expect(page.locator(".why", has_text="is at its limit")).to_have_count(0)
    place.until(lambda: place.holders("narrow"), lambda names: names == ["the-waiter"])
    expect(page.locator("svg.timeline")).to_contain_text("attempt 1", timeout=2 * WITHIN)
    other.touch()
    expect(page.locator(".head .state")).to_have_text("Completed")


def test_a_paused_pool_says_so_where_its_runs_wait(place: Place, show: Open) -> None:
    place.pool("still")
    run = place.run(place.deployment("waits", "still", command="true"), "patient")
    place.wait(run)
    page = show("/pools/still")
    page.get_by_role("button", name="Pause").first.click()
    expect(page.locator(".head .state")).to_have_text("Paused")
    waiting = place.run(place.ask("GET", f"/flow_runs/{run}")["deployment_id"], "held-back")
    show(f"/runs/{waiting}")
    expect(page.locator(".why")).to_contain_text("'still' is paused")
    place.ask("PATCH", "/work_pools/still", {"is_paused": False})
    expect(page.locator(".head .state")).to_have_text("Completed")


def test_queues_change_their_priority_by_dragging_and_by_keys(place: Place, show: Open) -> None:
    place.pool("ordered")
    for name in ("critical", "low"):
        place.ask("POST", "/work_pools/ordered/queues", {"name": name})

    def order() -> list[str]:
        found = place.ask("POST", "/work_pools/ordered/queues/filter", {})
        return [each["name"] for each in sorted(found, key=lambda queue: queue["priority"])]

    assert order() == ["default", "critical", "low"]
    page = show("/pools/ordered")
    row = page.get_by_role("table", name="Queues by priority").locator("tbody tr")
    row.nth(2).drag_to(row.nth(0))
    expect(row.nth(0)).to_contain_text("low")
    assert order() == ["low", "default", "critical"]
    page.get_by_role("button", name="Move critical").focus()
    page.keyboard.press("ArrowUp")
    expect(row.nth(1)).to_contain_text("critical")
    assert order() == ["low", "critical", "default"]
    expect(page.get_by_role("button", name="Move critical")).to_be_focused()

    limit = page.get_by_label("Limit of low")
    limit.fill("many")
    expect(limit).to_have_attribute("aria-invalid", "true")
    limit.fill("3")
    limit.press("Enter")
    place.until(lambda: place.ask("GET", "/work_pools/ordered/queues/low")["concurrency_limit"], lambda now: now == 3)
