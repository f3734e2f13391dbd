"""What goes wrong in a cloud is on the run's page, in the provider's words and with a remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.console.place import Place
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import Ministack
from tests.providers.ecs.support import ALLOWED, CLUSTER, furnish, ground
from tests.support.service import How, clean_environment, serving


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalAws]:
    with Ministack() as backend:
        furnish(backend)
        with LocalAws(backend, allowed=ALLOWED) as opened:
            yield opened


@pytest.fixture(scope="module")
def place(cloud: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with serving(tmp_path_factory.mktemp("home"), How.PLAIN) as service:
        opened = Place(service)
        opened.pool("aws", "ecs:push", base_job_template=opened.template("ecs:push", **ground(cloud).variables))
        yield opened
        opened.close()


def _line(row: Locator) -> tuple[str | None, ...]:
    """When it was, what it was, and how it is told."""
    return (row.locator("time").get_attribute("datetime"), *row.locator("td").all_inner_texts()[-2:])


def test_an_image_that_cannot_be_pulled(place: Place, cloud: LocalAws, page: Page) -> None:
    variables = ground(cloud).unpullable | {"runner": False, "command": "true"}
    run = place.run(place.deployment("no-image", "aws", job_variables=variables), "never-starts")
    page.goto(place.page(f"/runs/{run}"))
    expect(page.locator(".head .state")).to_have_text("Crashed")
    why = page.locator(".why.is-bad")
    expect(why).to_contain_text("CannotPullContainerError")
    expect(why).to_contain_text("What to do:")
    expect(page.get_by_role("link", name="↗").first).to_be_visible()


def test_spot_capacity_that_is_taken_back_and_then_success(place: Place, cloud: LocalAws, page: Page) -> None:
    cloud.tasks.hold_in_provisioning = True
    deployment = place.deployment("on-spot", "aws", command="true", job_variables={"launch_type": "FARGATE_SPOT"})
    before = set(cloud.tasks.all)
    run = place.run(deployment, "taken-back")
    page.goto(place.page(f"/runs/{run}"))
    (task,) = place.until(lambda: set(cloud.tasks.all) - before, bool)
    place.until(lambda: place.story(run), lambda story: story["attempts"][0]["handle"])
    cloud.tasks.take_back(cloud.tasks.all[task])
    cloud.tasks.hold_in_provisioning = False

    expect(page.locator(".head .state")).to_have_text("Completed")
    chart = page.locator("svg.timeline")
    expect(chart).to_contain_text("attempt 2")
    page.get_by_role("link", name="Attempts").click()
    rows = page.get_by_role("table", name="What happened").locator("tbody tr")
    expect(rows.filter(has_text="interrupted").first).to_be_visible()

    explained = subprocess.run(
        [sys.executable, "-m", "skylift", "flow-run", "explain", run, "-o", "json"],
        env=clean_environment() | {"SKYLIFT_API_URL": place.service.url},
        capture_output=True,
        check=True,
        timeout=60,
    )
    lines = json.loads(explained.stdout)["timeline"]
    place.until(lambda: rows.count(), lambda count: count == len(lines))
    shown = [_line(row) for row in rows.all()]
    assert shown == [(line["at"], line["kind"], line["message"]) for line in lines]
    assert len({line["attempt_id"] for line in lines if line["attempt_id"]}) == 2


def test_a_pool_is_made_by_its_form_and_the_preview_is_what_the_provider_gets(
    place: Place, cloud: LocalAws, page: Page
) -> None:
    page.goto(place.page("/pools"))
    page.get_by_role("link", name="New work pool").click()
    page.get_by_role("button", name="Amazon ECS (push)").click()
    page.get_by_label("Name (needed)").fill("made-here")
    create = page.get_by_role("button", name="Create work pool")

    cpu = page.locator('[data-field="cpu"]')
    cpu.get_by_role("textbox").fill("abc")
    expect(cpu.locator(".fault")).to_have_text("This has to be an integer")
    expect(create).to_be_disabled()
    cpu.get_by_role("textbox").fill("512")
    expect(cpu.locator(".fault")).to_have_count(0)

    values = ground(cloud).variables
    credentials = values["aws_credentials"]
    for path, text in {
        "memory": "1024",
        "image": "python:3.12",
        "cluster": CLUSTER,
        "execution_role_arn": values["execution_role_arn"],
        "secrets_bucket": values["secrets_bucket"],
        "aws_credentials/aws_access_key_id": credentials["aws_access_key_id"],
        "aws_credentials/aws_secret_access_key": credentials["aws_secret_access_key"],
        "aws_credentials/region_name": credentials["region_name"],
        "aws_credentials/aws_client_parameters": json.dumps(credentials["aws_client_parameters"]),
    }.items():
        page.locator(f'[data-field="{path}"]').locator("input, textarea").first.fill(text)
    page.locator('[data-field="runner"]').get_by_role("combobox").select_option("no")
    page.get_by_role("tab", name="Preview").click()
    preview = json.loads(page.locator("pre.json").inner_text())
    assert credentials["aws_secret_access_key"] not in json.dumps(preview["aws_credentials"])
    create.click()
    expect(page.locator("main h1")).to_have_text("made-here")

    run = place.run(place.deployment("as-made", "made-here", command="true"), "as-previewed")
    assert (ended := place.wait(run))["state_name"] == "Completed", ended["state"]["message"]
    definition = cloud.journal.calls("RegisterTaskDefinition")[-1].body
    launched = cloud.journal.calls("RunTask")[-1].body
    wanted = preview["task_definition"]
    assert (definition["cpu"], definition["memory"]) == (str(wanted["cpu"]), str(wanted["memory"])) == ("512", "1024")
    assert definition["executionRoleArn"] == wanted["executionRoleArn"]
    assert definition["containerDefinitions"][0]["image"] == wanted["containerDefinitions"][0]["image"] == "python:3.12"
    assert launched["cluster"] == preview["task_run_request"]["cluster"] == CLUSTER
    assert launched["launchType"] == preview["task_run_request"]["launchType"]
