"""After an outage a schedule's ledger says which slots were skipped, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from skylift.clock import ManualClock
from skylift.models.flows import DeploymentCreate, FlowCreate
from skylift.models.pools import WorkPoolCreate
from skylift.parts import Parts
from skylift.schedule import schedule
from skylift.settings import Settings
from skylift.store import Store, deployments, flows, pools
from tests.browser.console.place import Place
from tests.support.service import How, serving

OUTAGE = timedelta(hours=3)
EVERY = timedelta(minutes=10)


def _before_the_outage(home: Path, now: datetime) -> str:
    """A deployment whose slots were made by a service that went away three hours ago."""
    parts = Parts.embedded(Settings(home=home))
    parts.store.close()
    store = Store(parts.settings.database, clock=ManualClock(now - OUTAGE))
    parts = replace(parts, store=store)
    parts.store.transaction(pools.create, WorkPoolCreate(name="local", is_paused=True))
    flow, _ = parts.store.transaction(flows.create, FlowCreate(name="etl"))
    times = {"interval": EVERY.total_seconds(), "anchor_date": (now - OUTAGE).isoformat()}
    wanted = DeploymentCreate.model_validate(
        {
            "name": "often",
            "flow_id": flow.id,
            "work_pool_name": "local",
            "schedules": [{"schedule": times, "slug": "often"}],
        }
    )
    row, _ = parts.store.transaction(deployments.upsert, wanted)
    schedule(parts)
    parts.store.close()
    return str(row.id)


def _skipped(place: Place, deployment: str) -> list[dict[str, Any]]:
    lines = place.ask("GET", f"/skylift/deployments/{deployment}/slots")["lines"]
    return [line for line in lines if line["outcome"] == "SKIPPED"]


def _line(row: Locator) -> tuple[str | None, str]:
    return row.locator("time").get_attribute("datetime"), row.locator("td").last.inner_text()


def test_slots_of_an_outage_are_skipped_with_a_reason(page: Page, tmp_path: Path) -> None:
    deployment = _before_the_outage(tmp_path, datetime.now(UTC))
    with serving(tmp_path, How.PLAIN) as service:
        place = Place(service)
        skipped = place.until(lambda: _skipped(place, deployment), bool)
        page.goto(place.page(f"/deployments/{deployment}/slots"))
        rows = page.get_by_role("table", name="Slots").locator("tbody tr")
        lines = rows.filter(has_text="Skipped")
        expect(lines).to_have_count(len(skipped))
        shown = [_line(row) for row in lines.all()]
        assert shown == [(line["slot"], line["reason"]) for line in skipped]
        # Made ahead before the outage, caught up within the last hour, and the rest between them skipped.
        assert 3 <= len(skipped) < OUTAGE / EVERY
        expect(rows.filter(has_text="Late").first).to_be_visible()
        page.get_by_label("Only skipped slots").check()
        expect(rows).to_have_count(len(skipped))
        expect(page).to_have_url(place.page(f"/deployments/{deployment}/slots?only=skipped"))
        place.close()
