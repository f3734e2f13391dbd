"""One of everything that the console shows, in a real service."""

from __future__ import annotations

from typing import Any

import httpx

from tests.browser.console.place import Place
from tests.clouds.aws import LocalAws
from tests.providers.journeys import Ground

SECRETS = ("hunter2-of-the-block", "hunter2-of-the-variable", "hunter2-of-the-run", "hunter2-of-the-webhook")
"""None of them may ever be in a page."""
PARTS = "for part in 1 2 3 4 5 6 7 8; do echo loaded part $part of 8; done"
TALKS = f"sh -c '{PARTS}; echo two rows were skipped >&2; sleep 600'"
BREAKS = "sh -c 'echo reading the orders; echo ValueError: no orders for 2026-03-01 >&2; exit 3'"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["day"],
    "properties": {
        "day": {"type": "string", "title": "Day", "description": "Of which the orders are loaded."},
        "limit": {"type": "integer", "title": "Limit", "default": 1000, "minimum": 1},
        "mode": {"enum": ["full", "changes"], "title": "Mode", "default": "changes"},
        "sources": {"type": "array", "items": {"type": "string"}, "title": "Sources", "default": ["orders", "returns"]},
    },
}


def furnish(place: Place) -> dict[str, str]:
    """The paths of all pages by name, each with something to see."""
    block, variable, of_run, of_webhook = SECRETS
    place.pool("local", concurrency_limit=3, description="Processes on this machine")
    place.pool("spare", is_paused=True)
    for name, priority, limit in (("critical", 1, None), ("low", 9, 1)):
        body = {"name": name, "priority": priority, "concurrency_limit": limit}
        place.ask("POST", "/work_pools/local/queues", body)
    kind = place.ask("GET", "/block_types/slug/secret")
    of_kind = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
    schema = place.ask("POST", "/block_schemas/filter", of_kind)[0]
    place.ask(
        "POST",
        "/block_documents/",
        {"name": "warehouse", "data": {"value": block}, "block_type_id": kind["id"], "block_schema_id": schema["id"]},
    )
    place.ask("POST", "/variables/", {"name": "warehouse_password", "value": variable})
    place.ask("POST", "/variables/", {"name": "region", "value": "eu-central-1", "tags": ["shared"]})

    nightly = place.deployment(
        "nightly",
        "local",
        command=TALKS,
        tags=["orders"],
        description="Loads yesterday's orders",
        parameter_openapi_schema=SCHEMA,
        parameters={"day": "2026-03-01"},
        schedules=[
            {"schedule": {"cron": "0 6 * * *", "timezone": "Europe/Berlin"}, "slug": "mornings"},
            {"schedule": {"interval": 3600}, "active": False, "slug": "hourly"},
        ],
    )
    breaks = place.deployment("report", "local", command=BREAKS)
    ends = place.deployment("clean-up", "local", command="sh -c 'echo removed 12 files'")
    quiet = place.deployment("rebuild", "local", command="sleep 600", work_queue_name="low")

    failed = place.run(breaks, "swift-heron")
    done = place.run(ends, "calm-otter")
    place.wait(failed)
    place.wait(done)
    running = place.run(nightly, "brave-otter", job_variables={"env": {"DB_PASSWORD": of_run}})
    place.run(quiet, "patient-crane")
    place.run(ends, "in-an-hour", after=3600)
    place.until(lambda: place.holders("local"), lambda names: len(names) == 2)
    waiting = place.run(quiet, "waiting-wren")
    place.until(lambda: place.ask("GET", f"/skylift/flow_runs/{running}/logs")["lines"], lambda lines: len(lines) >= 9)

    wanted = {"name": "new-orders", "deployment_id": ends, "kind": "bearer", "secret": of_webhook}
    hook = place.ask("POST", "/skylift/webhooks/", wanted)
    post(place, hook["path"], of_webhook)
    return {
        "overview": "/",
        "pools": "/pools",
        "pool": "/pools/local",
        "pool-infrastructure": "/pools/local/infrastructure",
        "pool-template": "/pools/local/template",
        "pool-edit": "/pools/local/edit",
        "pool-new": "/pools/new",
        "runs": "/runs",
        "run": f"/runs/{running}",
        "run-failed": f"/runs/{failed}",
        "run-waiting": f"/runs/{waiting}",
        "run-attempts": f"/runs/{failed}/attempts",
        "run-details": f"/runs/{failed}/details",
        "run-variables": f"/runs/{running}/variables",
        "deployments": "/deployments",
        "deployment": f"/deployments/{nightly}",
        "deployment-slots": f"/deployments/{nightly}/slots",
        "deployment-run": f"/deployments/{nightly}/run",
        "webhooks": "/webhooks",
        "webhook": "/webhooks/new-orders",
        "blocks": "/blocks",
    }


def furnish_cloud(place: Place, cloud: LocalAws, ground: Ground) -> dict[str, str]:
    """A pool in the local AWS; a run whose image is not there, and one that lost its machine once."""
    place.pool("aws", "ecs:push", base_job_template=place.template("ecs:push", **ground.variables), concurrency_limit=5)
    bare = {"runner": False, "command": "true"}
    crashed = place.run(place.deployment("import", "aws", job_variables=ground.unpullable | bare), "lost-lynx")
    place.wait(crashed)
    cloud.tasks.hold_in_provisioning = True
    before = set(cloud.tasks.all)
    recovered = place.run(
        place.deployment("export", "aws", job_variables=bare | {"launch_type": "FARGATE_SPOT"}), "sturdy-finch"
    )
    (task,) = place.until(lambda: set(cloud.tasks.all) - before, bool)
    place.until(lambda: place.story(recovered)["attempts"][0]["handle"], bool)
    cloud.tasks.take_back(cloud.tasks.all[task])
    cloud.tasks.hold_in_provisioning = False
    place.wait(recovered)
    return {"run-crashed": f"/runs/{crashed}", "run-recovered": f"/runs/{recovered}/attempts", "pool-aws": "/pools/aws"}


def post(place: Place, path: str, secret: str) -> None:
    """A delivery."""
    address = place.root.rstrip("/") + path
    answer = httpx.post(address, json={"day": "2026-03-02"}, headers={"Authorization": f"Bearer {secret}"}, timeout=30)
    assert answer.status_code < 300, answer.text
