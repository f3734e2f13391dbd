"""What people do with Prefect's page before Skylift: make a pool that pushes, run a deployment, change a template."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.console.place import Place
from tests.browser.prefect_ui.conftest import Tab
from tests.browser.prefect_ui.world import SCHEMA

PUSH_TYPES = ("Amazon ECS", "Azure Container Instances", "Docker", "Google Cloud Run", "Modal", "Process")


@pytest.mark.timeout(300)
def test_a_pool_from_the_wizard_runs_what_the_form_asks_for(tab: Tab, place: Place) -> None:
    tab.open("/work-pools/create")
    page = tab.page
    for name in PUSH_TYPES:
        expect(page.get_by_text(f"{name} (push)", exact=True)).to_be_visible()
    page.get_by_text("Process (push)", exact=True).click()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Name").fill("made-here")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Create").click()
    expect(page).to_have_url(re.compile("/work-pools/work-pool/made-here"))
    tab.settle()
    expect(page.get_by_text("prefect worker start")).to_have_count(0)
    command = "sh -c 'echo counted 12 orders'"
    deployment = place.deployment("from-the-form", "made-here", command=command, parameter_openapi_schema=SCHEMA)
    tab.go(f"/deployments/deployment/{deployment}/run")
    page.get_by_label("Day").fill("2026-03-01")
    page.get_by_role("button", name="Submit").click()
    wanted = {"deployments": {"id": {"any_": [deployment]}}}
    [run] = place.until(lambda: place.ask("POST", "/flow_runs/filter", wanted), bool)
    assert run["parameters"] == {"day": "2026-03-01"}
    assert place.wait(run["id"])["state_type"] == "COMPLETED"
    tab.go(f"/runs/flow-run/{run['id']}")
    expect(page.get_by_text("Completed").first).to_be_visible()
    expect(page.get_by_text("counted 12 orders")).to_be_visible(timeout=10_000)


@pytest.mark.timeout(300)
def test_a_changed_default_is_in_the_next_rendered_request(tab: Tab, place: Place) -> None:
    place.pool("edited")
    deployment = place.deployment("templated", "edited", command="sh -c 'echo $GREETING'")
    tab.open("/work-pools/work-pool/edited/edit")
    page = tab.page
    page.get_by_role("tab", name="Advanced").click()
    template = place.ask("GET", "/work_pools/edited")["base_job_template"]
    template["variables"]["properties"]["env"]["default"] = {"GREETING": "from the template"}
    editor = page.locator(".cm-content")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(json.dumps(template))
    page.get_by_role("button", name="Save").click()
    place.until(lambda: place.ask("GET", "/work_pools/edited")["base_job_template"], lambda saved: saved == template)
    run = place.run(deployment, "by-the-template")
    assert place.wait(run)["state_type"] == "COMPLETED"
    lines = place.ask("POST", "/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}})
    assert "from the template" in [line["message"] for line in lines]
