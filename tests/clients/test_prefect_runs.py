"""Flow runs as Prefect's own client sees them: its command line, its Python client, and flows that pause and wait."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.clients.conftest import Prefect

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# Of every script: what it says is collected in `said`, and checked by the test.
BEGINNING = """
import json, threading, time

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import *
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import *
from datetime import datetime, timedelta, timezone

said = {}
client = get_client(sync_client=True).__enter__()


def until(check):
    deadline = time.monotonic() + 30
    while not (found := check()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)
    return found


def name_of(run):
    return client.read_flow_run(run.id if hasattr(run, "id") else run).state.name
"""
END = "\nprint(json.dumps(said))\n"

RUNS = """
flow_id = client.create_flow_from_name("runs-flow")
body = dict(flow_id=flow_id, name="d", paused=True, parameters={"a": 1}, tags=["d"])
deployment = client.create_deployment(**body)


@flow(name="runs-flow")
def runs_flow():
    pass


alone = client.create_flow_run(runs_flow, name="alone", tags=["x", "y"], state=Pending())
said["alone"] = [alone.state.name, sorted(alone.tags), alone.run_count]
mine = client.create_flow_run_from_deployment(
    deployment, name="mine", tags=["x"], parameters={"b": 2}, labels={"team": "a"}, job_variables={"cpu": 1},
    state=Scheduled(scheduled_time=datetime.now(timezone.utc) + timedelta(hours=1)),
)
said["mine"] = [mine.parameters, sorted(mine.tags), mine.labels["team"], mine.deployment_id == deployment]


def names(sort=FlowRunSort.NAME_ASC, limit=None, offset=0, **flow_runs):
    wanted = FlowRunFilter(**flow_runs)
    found = client.read_flow_runs(
        flow_filter=FlowFilter(id=FlowFilterId(any_=[flow_id])),
        flow_run_filter=wanted, sort=sort, limit=limit, offset=offset,
    )
    return [each.name for each in found]


state = FlowRunFilterState
said["filters"] = {
    "all": names(),
    "tags": names(tags=FlowRunFilterTags(all_=["x", "y"])),
    "type": names(state=state(type=FlowRunFilterStateType(any_=["SCHEDULED"]))),
    "not type": names(state=state(type=FlowRunFilterStateType(not_any_=["SCHEDULED"]))),
    "name": names(state=state(name=FlowRunFilterStateName(any_=["Pending"]))),
    "no deployment": names(deployment_id=FlowRunFilterDeploymentId(is_null_=True)),
    "like": names(name=FlowRunFilterName(like_="lon")),
    "next": names(next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(
        after_=datetime.now(timezone.utc))),
    "desc": names(FlowRunSort.NAME_DESC, limit=1),
    "offset": names(FlowRunSort.EXPECTED_START_TIME_DESC, limit=1, offset=1),
    "started": names(FlowRunSort.START_TIME_ASC),
}
said["count"] = client.count_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[alone.id, mine.id])))
answers = [client.set_flow_run_state(alone.id, each).status.value for each in (
    Running(), Failed(), Completed(data={"type": "unpersisted"}), Cancelling(), Scheduled())]
said["answers"] = answers
said["states"] = [each.name for each in client.read_flow_run_states(alone.id)]
said["state"] = client.set_flow_run_state(mine.id, Running()).status.value
client.update_flow_run(mine.id, name="renamed", flow_version="7", infrastructure_pid="pid", tags=["z"])
client.update_flow_run_labels(mine.id, {"team": "b", "more": 1})
changed = client.read_flow_run(mine.id)
said["changed"] = [changed.name, changed.flow_version, changed.infrastructure_pid, changed.tags]
said["labels"] = [changed.labels["team"], changed.labels["more"]]
cancelled = client.set_flow_run_state(mine.id, Cancelled(), force=True)
said["again"] = client.set_flow_run_state(mine.id, Scheduled(), force=True).state.name
client.create_flow_run_input(alone.id, "some-key", "true", sender="me")
try:
    client.create_flow_run_input(alone.id, "some-key", "true")
except Exception as error:
    said["taken"] = type(error).__name__ + str(getattr(getattr(error, "response", None), "status_code", ""))
said["input"] = client.read_flow_run_input(alone.id, "some-key")
said["inputs"] = [each.key for each in client.filter_flow_run_input(alone.id, "some-", 5, set())]
client.delete_flow_run_input(alone.id, "some-key")
client.delete_flow_run(alone.id)
try:
    client.read_flow_run(alone.id)
except ObjectNotFound:
    said["gone"] = True
client.delete_deployment(deployment)
try:
    client.read_flow_run(mine.id)
except ObjectNotFound:
    said["never started"] = "gone with its deployment"
client.delete_flow(flow_id)
"""


def test_runs_through_the_python_client(prefect: Prefect) -> None:
    said = prefect.python(BEGINNING + RUNS + END)
    assert said["alone"] == ["Pending", ["x", "y"], 0]
    assert said["mine"] == [{"a": 1, "b": 2}, ["d", "x"], "a", True]
    assert said["filters"] == {
        "all": ["alone", "mine"],
        "tags": ["alone"],
        "type": ["mine"],
        "not type": ["alone"],
        "name": ["alone"],
        "no deployment": ["alone"],
        "like": ["alone"],
        "next": ["mine"],
        "desc": ["mine"],
        "offset": ["alone"],
        "started": ["alone", "mine"],
    }
    assert said["count"] == 2
    assert said["answers"] == ["ACCEPT", "ACCEPT", "ACCEPT", "ABORT", "ABORT"]
    assert said["states"] == ["Pending", "Running", "Failed", "Completed"]
    assert said["state"] == "WAIT"
    assert said["changed"] == ["renamed", "7", "pid", ["z"]]
    assert said["labels"] == ["b", 1]
    assert said["again"] == "Scheduled"
    assert said["taken"].endswith("409")
    assert (said["input"], said["inputs"]) == ("true", ["some-key"])
    assert said["gone"]
    assert said["never started"]


FLOWS = """
from prefect.flow_engine import run_flow
from prefect.flow_runs import pause_flow_run, resume_flow_run, suspend_flow_run
from prefect.input import RunInput, receive_input, send_input
from prefect.exceptions import Pause
from prefect import Flow


class Form(RunInput):
    age: int


def in_thread(work):
    def safely():
        try:
            results[work.name] = work(return_state=True).name
        except BaseException as error:
            results[work.name] = repr(error)

    results = said.setdefault("results", {})
    thread = threading.Thread(target=safely)
    thread.start()
    return thread


def run_of(work, state=None):
    def look():
        found = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[work.name])))
        return found[0] if found and (not state or found[0].state.name == state) else None
    return until(look)


def ended(work):
    run = run_of(work)
    states = [each.name for each in client.read_flow_run_states(run.id)]
    return [states, run.run_count]


tries = []


@flow(name="again", retries=1)
def again():
    tries.append(1)
    if len(tries) == 1:
        raise ValueError("once")


@flow(name="paused")
def paused():
    said["answer"] = pause_flow_run(wait_for_input=Form, timeout=30, poll_interval=0.2).age


@flow(name="listening")
def listening():
    for message in receive_input(str, timeout=30, poll_interval=0.2, with_metadata=True):
        said["heard"] = [message.value, message.metadata.sender]
        break


@flow(name="too-long")
def too_long():
    pause_flow_run(timeout=1, poll_interval=0.2)


waiting = [in_thread(each) for each in (again, paused, listening, too_long)]
run = run_of(paused, "Paused")
said["keyset"] = sorted(run.state.state_details.run_input_keyset)
try:
    resume_flow_run(run.id, run_input={"age": "old"})
except Exception as error:
    said["refused"] = str(error)
resume_flow_run(run.id, run_input={"age": 7})
send_input("hello", flow_run_id=run_of(listening, "Running").id, sender="prefect.flow-run.me")
for each in waiting:
    each.join(60)
said["ended"] = {each.name: ended(each) for each in (again, paused, listening, too_long)}

passes = []


@flow(name="suspended")
def suspended():
    passes.append(1)
    suspend_flow_run(key="one")
    return len(passes)


flow_id = client.create_flow(suspended)
deployment = client.create_deployment(flow_id=flow_id, name="d", paused=True)
run = client.create_flow_run_from_deployment(deployment)


def execute():
    try:
        return run_flow(suspended, flow_run=client.read_flow_run(run.id), return_type="state").name
    except Pause:
        return "left"


said["first"] = [execute(), name_of(run)]
try:
    resume_flow_run(run.id)
    resume_flow_run(run.id)
except Exception as error:
    said["resumed once"] = type(error).__name__
said["resuming"] = name_of(run)
said["second"] = execute()
said["suspended"] = [
    [each.name for each in client.read_flow_run_states(run.id)], client.read_flow_run(run.id).run_count, len(passes)
]
"""


def test_flows_that_retry_pause_wait_and_are_suspended(prefect: Prefect) -> None:
    """Flows in the client's own process, side by side."""
    said = prefect.python(BEGINNING + FLOWS + END)
    assert said["results"] == {
        "again": "Completed",
        "paused": "Completed",
        "listening": "Completed",
        "too-long": "Failed",
    }
    assert said["keyset"] == ["description", "response", "schema"]
    assert "age" in said["refused"]
    assert (said["answer"], said["heard"]) == (7, ["hello", "prefect.flow-run.me"])
    assert said["ended"] == {
        "again": [["Pending", "Running", "AwaitingRetry", "Running", "Completed"], 2],
        "paused": [["Pending", "Running", "Paused", "Running", "Completed"], 2],
        "listening": [["Pending", "Running", "Completed"], 1],
        "too-long": [["Pending", "Running", "Paused", "Failed"], 1],
    }
    assert said["first"] == ["left", "Suspended"]
    assert said["resumed once"] == "NotPausedError"
    assert (said["resuming"], said["second"]) == ("Resuming", "Completed")
    assert said["suspended"] == [["Scheduled", "Running", "Suspended", "Resuming", "Running", "Completed"], 1, 2]


MADE = """
flow_id = client.create_flow_from_name("cli-flow")
deployment = client.create_deployment(flow_id=flow_id, name="cli", paused=True, parameters={"name": "you"})
for name, state in (("over", Failed(message="boom")), ("waits", None), ("odd", None)):
    run = client.create_flow_run_from_deployment(deployment, name=name)
    if state:
        client.set_flow_run_state(run.id, state)
    client.create_logs([dict(
        name="l", level=20, message=f"line {number} of {name}", flow_run_id=str(run.id),
        timestamp=datetime.now(timezone.utc).isoformat(),
    ) for number in range(30)])
    said[name] = str(run.id)
"""


def test_runs_through_the_command_line(prefect: Prefect) -> None:
    runs = prefect.python(BEGINNING + MADE + END)
    listed = prefect("flow-run", "ls", "--flow-name", "cli-flow")
    assert all(run in listed for run in runs.values())
    only = prefect("flow-run", "ls", "--flow-name", "cli-flow", "--state", "Failed")
    assert runs["over"] in only
    assert runs["waits"] not in only
    assert "boom" in prefect("flow-run", "inspect", runs["over"])
    assert runs["over"] in prefect("flow-run", "inspect", runs["over"], "--output", "json")
    logs: Callable[..., str] = lambda *options: prefect("flow-run", "logs", runs["over"], *options)  # noqa: E731
    assert logs().count("line ") == 30
    assert "line 29" not in logs("--head")
    assert "line 29" in logs("--tail", "--num-logs", "2")
    assert logs("--reverse").index("line 29") < logs("--reverse").index("line 0 ")
    assert "scheduled for retry" in prefect("flow-run", "retry", runs["over"])
    assert "Scheduled" in prefect("flow-run", "inspect", runs["over"])
    assert "cannot be retried" in prefect("flow-run", "retry", "waits", code=1)
    assert "successfully" in prefect("flow-run", "cancel", runs["waits"])
    assert "CANCELLED" in prefect("flow-run", "inspect", runs["waits"])
    assert "scheduled for retry" in prefect("flow-run", "retry", "waits"), "by its name as well"
    prefect("flow-run", "delete", runs["odd"])
    prefect("flow-run", "inspect", runs["odd"], raises="ObjectNotFound")
    prefect("flow-run", "delete", runs["odd"], code=1)


DEPLOYED = """
schema = {"type": "object", "properties": {"x": {"title": "x"}}}
client.create_deployment(
    flow_id=client.create_flow_from_name("cli2"), name="d", tags=["t"], parameter_openapi_schema=schema
)
"""


@pytest.mark.long
def test_deployments_through_the_command_line(prefect: Prefect) -> None:
    prefect.python(BEGINNING + DEPLOYED + END)
    assert "cli2/d" in prefect("deployment", "ls")
    assert "cli2/d" in prefect("deployment", "ls", "--by-created")
    assert "'name': 'd'" in prefect("deployment", "inspect", "cli2/d")
    assert '"name": "d"' in prefect("deployment", "inspect", "cli2/d", "--output", "json")
    create = ("deployment", "schedule", "create", "cli2/d")
    prefect(*create, "--interval", "600", "--anchor-date", "2026-01-01")
    prefect(*create, "--cron", "5 4 * * *", "--timezone", "America/New_York")
    prefect(*create, "--rrule", "FREQ=HOURLY", "--replace", "--accept-yes")
    listed = prefect("deployment", "schedule", "ls", "cli2/d")
    assert "FREQ=HOURLY" in listed
    assert "5 4 * * *" not in listed
    found = UUID.search(listed)
    assert found
    assert "Paused" in prefect("deployment", "schedule", "pause", "cli2/d", found.group())
    assert "already inactive" in prefect("deployment", "schedule", "pause", "cli2/d", found.group(), code=1)
    assert "Resumed" in prefect("deployment", "schedule", "resume", "cli2/d", found.group())
    prefect("deployment", "schedule", "pause", "--all")
    assert "True" not in prefect("deployment", "schedule", "ls", "cli2/d")
    prefect("deployment", "schedule", "delete", "cli2/d", found.group(), "--accept-yes")
    prefect("deployment", "schedule", "delete", "cli2/d", found.group(), "--accept-yes", code=1)
    run = prefect("deployment", "run", "cli2/d", "--param", "x=1", "--flow-run-name", "named", "--start-in", "1 hour")
    assert "named" in run
    assert "x" in prefect("deployment", "run", "cli2/d", "--params", '{"x": {"y": [1]}}', "--tag", "a", "--tag", "b")
    prefect("deployment", "run", "cli2/none", code=1)
    prefect("deployment", "delete", "cli2/d")
    prefect("deployment", "inspect", "cli2/d", code=1)
    prefect("deployment", "delete", "cli2/d", code=1)
