"""One of everything that Prefect's page shows, in a real service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from skylift.ids import new_id
from tests.api.events_making import of_task_run
from tests.browser.console.place import Place

WORDS = "counted 12 orders"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"day": {"type": "string", "title": "Day", "position": 0}},
}


def furnish(place: Place) -> dict[str, str]:
    """Runs of several ends, tasks, a subflow, artifacts, values; the paths of all pages by name."""
    pool = "/work-pools/work-pool"
    place.ask("POST", "/work_pools/local/queues", {"name": "critical", "priority": 1, "concurrency_limit": 2})
    counts = place.deployment(
        "nightly",
        "local",
        command=f"sh -c 'echo {WORDS}'",
        parameter_openapi_schema=SCHEMA,
        parameters={"day": "today"},
        work_queue_name="critical",
        schedules=[{"schedule": {"cron": "0 6 * * *", "timezone": "Europe/Berlin"}}],
    )
    breaks = place.deployment("report", "local", command="sh -c 'exit 3'")
    stays = place.deployment("stays", "local", command="sleep 120", concurrency_limit=1)
    done, failed = place.run(counts, "calm-otter"), place.run(breaks, "swift-heron")
    running, waiting = place.run(stays, "brave-otter"), place.run(stays, "waiting-wren")
    later = place.run(counts, "in-an-hour", after=3600)
    parent, task, artifact = _told(place)
    values = _values(place)
    for run in (done, failed):
        place.wait(run)
    place.until(lambda: place.holders("local"), lambda names: "brave-otter" in names)
    runs = {"done": done, "failed": failed, "running": running, "waiting": waiting, "later": later, "told": parent}
    return {
        "dashboard": "/dashboard",
        "runs": "/runs",
        "runs-tasks": "/runs?tab=task-runs",
        **{f"run-{name}": f"/runs/flow-run/{run}" for name, run in runs.items()},
        **{
            f"run-{part}": f"/runs/flow-run/{parent}?tab={part}"
            for part in ("Logs", "TaskRuns", "SubflowRuns", "Artifacts", "Details", "Parameters", "JobVariables")
        },
        "task-run": f"/runs/task-run/{task}",
        "flows": "/flows",
        "flow": f"/flows/flow/{place.ask('GET', f'/flow_runs/{done}')['flow_id']}",
        "deployments": "/deployments",
        "deployment": f"/deployments/deployment/{counts}",
        "deployment-run": f"/deployments/deployment/{counts}/run",
        "deployment-edit": f"/deployments/deployment/{counts}/edit",
        "deployment-duplicate": f"/deployments/deployment/{counts}/duplicate",
        "pools": "/work-pools",
        "pool": f"{pool}/local",
        **{
            f"pool-{part}": f"{pool}/local?tab={part}"
            for part in ("Work%20Queues", "Workers", "Deployments", "Details")
        },
        "pool-edit": f"{pool}/local/edit",
        "pool-create": "/work-pools/create",
        "queue": f"{pool}/local/queue/critical",
        "queue-create": f"{pool}/local/queue/create",
        "queue-edit": f"{pool}/local/queue/critical/edit",
        "blocks": "/blocks",
        "block": f"/blocks/block/{values['block']}",
        "block-edit": f"/blocks/block/{values['block']}/edit",
        "catalog": "/blocks/catalog",
        "catalog-one": "/blocks/catalog/aws-credentials",
        "block-create": "/blocks/catalog/secret/create",
        "variables": "/variables",
        "automations": "/automations",
        "concurrency": "/concurrency-limits",
        "concurrency-one": f"/concurrency-limits/concurrency-limit/{values['limit']}",
        "artifacts": "/artifacts",
        "artifact": f"/artifacts/artifact/{artifact}",
        "artifact-key": "/artifacts/key/report",
        "events": "/events",
        "settings": "/settings",
    }


def _told(place: Place) -> tuple[str, str, str]:
    """A run that told of itself, as Prefect's engine does: its id, that of a task run, and that of an artifact."""
    now = datetime.now(UTC)
    flow = place.ask("POST", "/flows/", {"name": "etl"})["id"]
    run = place.ask("POST", "/flow_runs/", {"flow_id": flow, "name": "told", "parameters": {"day": "today"}})["id"]
    place.ask("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}})
    before: str | None = None
    for number in range(3):
        task = str(new_id())
        inputs = {"x": [{"input_type": "task_run", "id": before}] if before else []}
        times = dict.fromkeys(("start_time", "expected_start_time", "end_time"), now.isoformat())
        told = {"run_count": 1, "task_inputs": inputs, "dynamic_key": str(number), "key": "extract"}
        place.ask("POST", "/events", [of_task_run(run, task, "COMPLETED", at=now, **times, **told)])  # type: ignore[arg-type]
        before = task
    stand_in = place.ask("POST", "/task_runs/", {"flow_run_id": run, "task_key": "child", "dynamic_key": "0"})["id"]
    child = {"flow_id": flow, "name": "below", "parent_task_run_id": stand_in}
    below = place.ask("POST", "/flow_runs/", child)["id"]
    line = {"name": "prefect.flow_runs", "level": 20, "message": "one", "timestamp": now.isoformat()}
    place.ask("POST", "/logs/", [line | {"flow_run_id": run}])
    report = {"key": "report", "type": "markdown", "data": "# Report", "flow_run_id": run, "task_run_id": task}
    artifact = place.ask("POST", "/artifacts/", report)["id"]
    for each in (below, run):
        for state in ("RUNNING", "COMPLETED"):
            place.ask("POST", f"/flow_runs/{each}/set_state", {"state": {"type": state}, "force": True})
    return run, task, artifact


def _values(place: Place) -> dict[str, str]:
    kind = place.ask("GET", "/block_types/slug/secret")
    of_kind = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
    schema = place.ask("POST", "/block_schemas/filter", of_kind)[0]
    ids = {"block_type_id": kind["id"], "block_schema_id": schema["id"]}
    block = {"name": "warehouse", "data": {"value": "hunter2"}, **ids}
    place.ask("POST", "/variables/", {"name": "region", "value": "eu", "tags": ["shared"]})
    place.ask("POST", "/v2/concurrency_limits/", {"name": "database", "limit": 3})
    return {
        "block": place.ask("POST", "/block_documents/", block)["id"],
        "limit": place.ask("POST", "/concurrency_limits/", {"tag": "heavy", "concurrency_limit": 2})["id"],
    }
