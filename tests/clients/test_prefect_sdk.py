"""The Python client of Prefect, unmodified: what it makes is stored, scheduled and run."""

from __future__ import annotations

from tests.clients.conftest import Prefect

SCRIPT = """
import json, time
from datetime import datetime, timedelta, timezone
from uuid import uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter, FlowRunFilterDeploymentId, LogFilter
from prefect.client.schemas.filters import LogFilterFlowRunId
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.states import Cancelling, Scheduled

said = {}
with get_client(sync_client=True) as client:
    said["health"] = client.api_healthcheck() is None
    pool = client.create_work_pool(WorkPoolCreate(name="sdk", type="process:push"))
    said["pool"] = pool.status.value
    try:
        client.create_work_pool(WorkPoolCreate(name="sdk", type="process:push"))
    except ObjectAlreadyExists:
        said["twice"] = "exists already"
    client.update_work_pool("sdk", WorkPoolUpdate(concurrency_limit=2))
    said["limit"] = client.read_work_pool("sdk").concurrency_limit
    flow_id = client.create_flow_from_name("sdk-flow")
    said["same flow"] = client.create_flow_from_name("sdk-flow") == flow_id
    made = dict(
        flow_id=flow_id,
        name="sdk-deployment",
        work_pool_name="sdk",
        work_queue_name="urgent",
        job_variables={"command": "echo from the command"},
        tags=["sdk"],
        schedules=[
            DeploymentScheduleCreate(schedule=IntervalSchedule(interval=timedelta(hours=1)), slug="hourly"),
            DeploymentScheduleCreate(schedule=CronSchedule(cron="0 9 * * *", timezone="Europe/Paris"), active=False),
            DeploymentScheduleCreate(schedule=RRuleSchedule(rrule="FREQ=DAILY;BYHOUR=9"), parameters={"a": 1}),
        ],
    )
    deployment_id = client.create_deployment(**made)
    said["same deployment"] = client.create_deployment(**made) == deployment_id
    deployment = client.read_deployment_by_name("sdk-flow/sdk-deployment")
    said["schedules"] = sorted(type(each.schedule).__name__ for each in deployment.schedules)
    said["queue"] = deployment.work_queue_name
    client.update_deployment(deployment_id, DeploymentUpdate(description="new"))
    said["description"] = client.read_deployment(deployment_id).description
    key = str(uuid4())
    run = client.create_flow_run_from_deployment(deployment_id, idempotency_key=key, name="first")
    said["same run"] = client.create_flow_run_from_deployment(deployment_id, idempotency_key=key).id == run.id
    seen, deadline = [], time.monotonic() + 30
    while time.monotonic() < deadline:
        state = client.read_flow_run(run.id).state
        if not seen or seen[-1] != state.type.value:
            seen.append(state.type.value)
        if state.is_final():
            break
        time.sleep(0.1)
    said["states"] = seen
    ended = client.read_flow_run(run.id)
    said["times"] = ended.start_time <= ended.end_time and ended.run_count == 1
    said["logs"] = [each.message for each in client.read_logs(
        LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))]
    waiting = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id])),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
    )
    said["scheduled"] = sum(each.auto_scheduled for each in waiting)
    later = Scheduled(scheduled_time=datetime.now(timezone.utc) + timedelta(hours=1))
    waiting = client.create_flow_run_from_deployment(deployment_id, state=later)
    answer = client.set_flow_run_state(waiting.id, Cancelling())
    said["cancelled"] = (answer.status.value, answer.state.type.value)
    client.delete_flow_run(waiting.id)
    client.delete_deployment(deployment_id)
    try:
        client.read_deployment(deployment_id)
    except ObjectNotFound:
        said["gone"] = True
    client.delete_work_pool("sdk")
print(json.dumps(said))
"""


def test_the_python_client(prefect: Prefect) -> None:
    said = prefect.python(SCRIPT)
    assert said["health"]
    assert (said["pool"], said["limit"], said["twice"]) == ("READY", 2, "exists already")
    assert said["same flow"]
    assert said["same deployment"]
    assert said["same run"]
    assert said["schedules"] == ["CronSchedule", "IntervalSchedule", "RRuleSchedule"]
    assert said["queue"] == "urgent"
    assert said["cancelled"] == ["REJECT", "CANCELLED"]
    assert said["description"] == "new"
    assert said["states"][-1] == "COMPLETED"
    assert said["times"]
    assert "from the command" in said["logs"]
    assert said["scheduled"] >= 6
    assert said["gone"]
