"""The two ways of editing a template are one: its JSON, and the form of its defaults."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.browser.console.conftest import Open
from tests.browser.console.place import Place


def test_broken_json_is_told_by_line_and_column_and_cannot_be_saved(place: Place, show: Open) -> None:
    page = show("/pools/local/edit")
    save = page.get_by_role("button", name="Save")
    expect(save).to_be_enabled()
    page.get_by_role("tab", name="Advanced").click()
    text = page.get_by_label("Base job template")
    good = text.input_value()
    lines = good.split("\n")
    lines[2] = lines[2].replace('"', "'", 1)
    text.fill("\n".join(lines))
    expect(page.get_by_role("button", name="Line 3, column")).to_contain_text("column 5")
    expect(save).to_be_disabled()
    page.get_by_role("tab", name="Defaults").click()
    expect(page.get_by_text("The template is not in order")).to_be_visible()
    page.get_by_role("tab", name="Advanced").click()
    text.fill(good)
    expect(save).to_be_enabled()


def test_defaults_and_advanced_stay_in_step(place: Place, show: Open) -> None:
    page = show("/pools/local/edit")
    timeout = page.locator('[data-field="timeout_seconds"]').get_by_role("textbox")
    timeout.fill("90")
    page.get_by_role("tab", name="Advanced").click()
    text = page.get_by_label("Base job template")
    template = json.loads(text.input_value())
    assert template["variables"]["properties"]["timeout_seconds"]["default"] == 90
    template["variables"]["properties"]["timeout_seconds"]["default"] = 120
    template["variables"]["properties"]["python"]["default"] = "python3"
    text.fill(json.dumps(template))
    page.get_by_role("tab", name="Defaults").click()
    expect(timeout).to_have_value("120")
    expect(page.locator('[data-field="python"]').get_by_role("textbox")).to_have_value("python3")
    timeout.fill("-1")
    expect(page.locator('[data-field="timeout_seconds"] .fault')).to_be_visible()
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    timeout.fill("60")
    page.locator('[data-field="env"]').get_by_role("button", name="Add to Environment variables").click()
    page.get_by_label("Environment variables: name 1").fill("STAGE")
    page.get_by_label("Environment variables: value of STAGE").fill("test")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main h1")).to_have_text("local")
    saved = place.ask("GET", "/work_pools/local")["base_job_template"]["variables"]["properties"]
    assert saved["timeout_seconds"]["default"] == 60
    assert saved["env"]["default"] == {"STAGE": "test"}
    assert saved["python"]["default"] == "python3"


def test_a_run_is_started_by_the_form_of_its_parameters(place: Place, show: Open) -> None:
    schema = {
        "type": "object",
        "required": ["day"],
        "properties": {
            "day": {"type": "string", "title": "Day"},
            "limit": {"type": "integer", "title": "Limit", "default": 10, "minimum": 1},
            "mode": {"allOf": [{"$ref": "#/definitions/Mode"}], "title": "Mode", "default": "fast"},
            "dry": {"type": "boolean", "title": "Dry", "default": False},
            "sources": {"type": "array", "items": {"type": "string"}, "title": "Sources"},
            "more": {"title": "More"},
        },
        "definitions": {"Mode": {"enum": ["fast", "slow"], "type": "string"}},
    }
    deployment = place.deployment("asks", "local", command="true", parameter_openapi_schema=schema)
    page = show(f"/deployments/{deployment}/run")
    start = page.get_by_role("button", name="Start the run")
    expect(start).to_be_disabled()
    page.get_by_label("Day (needed)").fill("2026-03-01")
    page.get_by_label("Limit").fill("0")
    expect(page.locator('[data-field="limit"] .fault')).to_be_visible()
    expect(start).to_be_disabled()
    page.get_by_label("Limit").fill("5")
    page.get_by_label("Mode").select_option("slow")
    page.get_by_label("Dry").select_option("yes")
    page.get_by_role("button", name="Add to Sources").click()
    page.get_by_label("Sources 1", exact=True).fill("s3")
    page.get_by_label("More").fill('{"a": [1]}')
    page.get_by_label("Name", exact=True).fill("asked-for")
    start.click()
    expect(page.locator("main h1")).to_contain_text("asked-for")
    expect(page.locator(".head .state")).to_have_text("Completed")
    run = place.read(page.url.rpartition("/")[2])
    assert run["parameters"] == {
        "day": "2026-03-01",
        "limit": 5,
        "mode": "slow",
        "dry": True,
        "sources": ["s3"],
        "more": {"a": [1]},
    }
