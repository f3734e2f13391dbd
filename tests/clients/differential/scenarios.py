"""What is typed and called against both servers: the real `prefect` commands and the real SDK, in order.

A scenario uses names of its own, so that they share a server. `{folder}` is an empty folder with the files below.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

FLOWS = """
from prefect import flow


@flow
def greet(name: str = "world", times: int = 1):
    print(name * times)


@flow
def sweep():
    pass
"""
BLOCKS = """
from prefect.blocks.core import Block
from pydantic import SecretStr


class Lighthouse(Block):
    _block_type_name = "Lighthouse"
    _block_type_slug = "lighthouse"
    _description = "A lamp by the sea"
    height: int = 20
    colour: str
    key: SecretStr | None = None


class Coast(Block):
    _block_type_name = "Coast"
    _block_type_slug = "coast"
    lighthouse: Lighthouse
"""
TEMPLATE = {
    "job_configuration": {"command": "{{ command }}", "env": "{{ env }}", "size": "{{ size }}"},
    "variables": {
        "type": "object",
        "properties": {
            "command": {"type": "string", "title": "Command"},
            "env": {"type": "object", "title": "Env", "default": {}},
            "size": {"type": "integer", "title": "Size", "default": 2},
        },
    },
}
LOOSE = {"job_configuration": {"command": "{{ nowhere }}"}, "variables": {"type": "object", "properties": {"a": {}}}}
FILES = {
    "flows.py": FLOWS,
    "blocks.py": BLOCKS,
    "template.json": json.dumps(TEMPLATE),
    "loose.json": json.dumps(LOOSE),
    "not.json": "{",
}


@dataclass(frozen=True)
class Step:
    order: dict[str, Any]
    """As `prefect_host.py` reads it."""
    label: str


@dataclass(frozen=True)
class Scenario:
    name: str
    steps: list[Step]


def cli(line: str) -> Step:
    """A command; the host has no terminal, so nothing asks."""
    return Step({"args": shlex.split(line)}, f"prefect {line}")


def sdk(expression: str) -> Step:
    """A call of the client (`c`); what it returns is shown."""
    return Step({"expression": expression}, expression)


def scenario(name: str, *steps: Step) -> Scenario:
    return Scenario(name, list(steps))


POOLS = scenario(
    "work pools",
    cli("work-pool create tide --type process"),
    cli("work-pool create tide --type process"),
    cli("work-pool create tide --type process --overwrite"),
    cli("work-pool create reef --type process --paused --base-job-template {folder}/template.json"),
    cli("work-pool create loose --type process --base-job-template {folder}/loose.json"),
    cli("work-pool create what --type nothing-such"),
    cli("work-pool create a/b --type process"),
    cli("work-pool inspect reef"),
    cli("work-pool inspect nowhere"),
    cli("work-pool pause tide"),
    sdk("c.read_work_pool('tide').is_paused"),
    cli("work-pool resume tide"),
    cli("work-pool set-concurrency-limit tide 5"),
    cli("work-pool clear-concurrency-limit tide"),
    cli("work-pool set-concurrency-limit tide -1"),
    cli("work-pool set-concurrency-limit nowhere 1"),
    cli("work-pool update tide --description 'by the sea' --concurrency-limit 3"),
    cli("work-pool update reef --base-job-template {folder}/template.json"),
    cli("work-pool update nowhere --description x"),
    sdk("c.read_work_pool('tide').model_dump(include={'name','type','description','is_paused','concurrency_limit'})"),
    sdk("c.read_work_pool('reef').base_job_template"),
    cli("work-pool preview tide"),
    cli("work-pool preview tide --hours 12"),
    cli("work-pool preview nowhere"),
    cli("work-pool slots tide"),
    cli("work-pool storage inspect tide"),
    sdk("[p.name for p in c.read_work_pools() if p.name in ('tide', 'reef')]"),
    sdk("c.update_work_pool('nowhere', WorkPoolUpdate(description='x'))"),
    sdk("c.create_work_pool(WorkPoolCreate(name='prefect-mine', type='process'))"),
    cli("work-pool delete reef"),
    cli("work-pool delete nowhere"),
    sdk("c.read_work_pool('reef')"),
)

QUEUES = scenario(
    "work queues",
    cli("work-pool create harbour --type process"),
    cli("work-queue create critical --pool harbour --priority 1"),
    cli("work-queue create high --pool harbour --priority 1 --limit 10"),
    cli("work-queue create low --pool harbour"),
    cli("work-queue create low --pool harbour"),
    cli("work-queue create x --pool nowhere"),
    cli("work-queue create bad --pool harbour --priority 0"),
    sdk("sorted((q.priority, q.name) for q in c.read_work_queues(work_pool_name='harbour'))"),
    cli("work-queue ls --pool harbour"),
    cli("work-queue ls --pool nowhere"),
    cli("work-queue inspect high --pool harbour"),
    cli("work-queue inspect nowhere --pool harbour"),
    cli("work-queue pause high --pool harbour"),
    sdk("[q.is_paused for q in c.read_work_queues(work_pool_name='harbour') if q.name == 'high']"),
    cli("work-queue resume high --pool harbour"),
    cli("work-queue set-concurrency-limit high 4 --pool harbour"),
    cli("work-queue clear-concurrency-limit high --pool harbour"),
    cli("work-queue preview high --pool harbour"),
    cli("work-queue read-runs high --pool harbour"),
    sdk("c.match_work_queues(['hi'], work_pool_name='harbour')"),
    sdk("c.read_work_queue_by_name('low', work_pool_name='harbour').model_dump(include={'name', 'priority'})"),
    cli("work-queue delete high --pool harbour"),
    cli("work-queue delete high --pool harbour"),
    sdk("sorted((q.priority, q.name) for q in c.read_work_queues(work_pool_name='harbour'))"),
)

DEPLOYED = "c.read_deployment_by_name('{}')"
DEPLOYMENTS = scenario(
    "deployments",
    cli("work-pool create yard --type process"),
    cli("deploy {folder}/flows.py:greet --name first --pool yard --tag a --tag b --param times=2 --version v1"),
    cli("deploy {folder}/flows.py:greet --name first --pool yard --tag c"),
    cli("deploy {folder}/flows.py:greet --name queued --pool yard --work-queue fast --concurrency-limit 2 -jv size=4"),
    cli("deploy {folder}/flows.py:sweep --name swept --pool nowhere"),
    cli("deployment ls"),
    cli("deployment inspect greet/first"),
    cli("deployment inspect greet/nowhere"),
    cli("deployment inspect nowhere"),
    sdk("c.read_deployment_by_name('greet/first').parameter_openapi_schema"),
    sdk(
        "c.read_deployment_by_name('greet/queued').model_dump(include={'name','tags','work_pool_name',"
        "'work_queue_name','job_variables','entrypoint','paused','version','enforce_parameter_schema'})"
    ),
    sdk("sorted(q.name for q in c.read_work_queues(work_pool_name='yard'))"),
    cli("deployment schedule create greet/first --cron '0 3 * * *' --timezone Europe/Berlin --no-active"),
    cli("deployment schedule create greet/first --interval 3600 --no-active"),
    cli("deployment schedule create greet/first --rrule 'FREQ=DAILY;BYHOUR=7' --no-active"),
    cli("deployment schedule create greet/first --cron 'not a cron'"),
    cli("deployment schedule create greet/first"),
    cli("deployment schedule create greet/nowhere --interval 60"),
    sdk(
        "sorted(str(s.schedule.model_dump(mode='json', exclude={'anchor_date'})) "
        "for s in c.read_deployment_by_name('greet/first').schedules)"
    ),
    cli("deployment schedule clear greet/first --accept-yes"),
    sdk("c.read_deployment_by_name('greet/first').schedules"),
    cli("deployment run greet/first --param name=Ada --param times=3"),
    cli("deployment run greet/first --param times=many"),
    cli("deployment run greet/first --param nothing=1"),
    cli("deployment run greet/nowhere"),
    sdk("[r.parameters for r in c.read_flow_runs() if r.deployment_id == c.read_deployment_by_name('greet/first').id]"),
    sdk("c.count_deployments()" if False else "len(c.read_deployments())"),
    cli("flow ls"),
    cli("deployment delete greet/queued"),
    cli("deployment delete greet/queued"),
    sdk("c.read_deployment_by_name('greet/queued')"),
)

MAKE_RUN = (
    "c.create_flow_run_from_deployment(c.read_deployment_by_name('sweep/run').id, name='{}'"
    ", state=Scheduled(scheduled_time=T0 + timedelta(days={}))).model_dump(mode='json', "
    "include={{'name','parameters','tags','run_count','auto_scheduled','state_type','state_name','empirical_policy'}})"
)
RUN = "(r := c.read_flow_runs(flow_run_filter=FlowRunFilter(name={{'any_': ['{}']}}))[0])"
RUNS = scenario(
    "flow runs",
    cli("work-pool create pier --type process"),
    cli("deploy {folder}/flows.py:sweep --name run --pool pier"),
    sdk(MAKE_RUN.format("run-1", 1)),
    sdk(MAKE_RUN.format("run-2", 2)),
    sdk(MAKE_RUN.format("run-3", 3)),
    cli("work-pool preview pier"),
    cli("work-queue preview default --pool pier"),
    cli("work-queue read-runs default --pool pier"),
    sdk(RUN.format("run-1") + " and r.state.model_dump(mode='json', include={'type', 'name', 'message', 'data'})"),
    sdk(RUN.format("run-1") + " and outcome(c.set_flow_run_state(r.id, Running()))"),
    sdk(RUN.format("run-1") + " and outcome(c.set_flow_run_state(r.id, Pending()))"),
    sdk(RUN.format("run-1") + " and outcome(c.set_flow_run_state(r.id, Pending()))"),
    sdk(RUN.format("run-1") + " and outcome(c.set_flow_run_state(r.id, Running(), force=True))"),
    sdk(RUN.format("run-1") + " and outcome(c.set_flow_run_state(r.id, Paused(timeout_seconds=600)))"),
    sdk(RUN.format("run-1") + " and outcome(c.set_flow_run_state(r.id, Running()))"),
    sdk(RUN.format("run-1") + " and outcome(c.set_flow_run_state(r.id, Completed(message='well done')))"),
    sdk(RUN.format("run-1") + " and (r.run_count, r.state_name)"),
    sdk(RUN.format("run-1") + " and outcome(c.set_flow_run_state(r.id, Cancelling()))"),
    sdk(RUN.format("run-2") + " and outcome(c.set_flow_run_state(r.id, Cancelling()))"),
    sdk(RUN.format("run-2") + " and outcome(c.set_flow_run_state(r.id, Scheduled(), force=True))"),
    sdk(RUN.format("run-2") + " and [s.name for s in c.read_flow_run_states(r.id)]"),
    sdk(RUN.format("run-3") + " and c.update_flow_run(r.id, tags=['x', 'y'], name='run-3b').status_code"),
    sdk(RUN.format("run-3b") + " and sorted(r.tags)"),
    sdk(
        "c.create_flow_run_from_deployment(c.read_deployment_by_name('sweep/run').id, idempotency_key='k').name == "
        "c.create_flow_run_from_deployment(c.read_deployment_by_name('sweep/run').id, idempotency_key='k').name"
    ),
    sdk("[r.name for r in c.read_flow_runs(sort='START_TIME_DESC', limit=0)]"),
    sdk("c.read_flow_runs(limit=201)"),
    sdk("c.read_flow_runs(sort='SIDEWAYS')"),
    sdk("sorted(r.name for r in c.read_flow_runs(flow_run_filter=FlowRunFilter(name={'like_': 'run-'})))"),
    sdk("sorted(r.name for r in c.read_flow_runs(flow_run_filter=FlowRunFilter(tags={'all_': ['x']})))"),
    sdk(
        "sorted(r.name for r in c.read_flow_runs(flow_run_filter=FlowRunFilter(state={'type': "
        "{'any_': ['COMPLETED']}}), work_pool_filter=WorkPoolFilter(name={'any_': ['pier']})))"
    ),
    sdk("c.read_flow_run(NOWHERE)"),
    sdk("c.set_flow_run_state(NOWHERE, Running())"),
    sdk("c.delete_flow_run(NOWHERE)"),
    cli("flow-run inspect 11111111-1111-1111-1111-111111111111"),
    cli("flow-run cancel 11111111-1111-1111-1111-111111111111"),
    cli("flow-run delete 11111111-1111-1111-1111-111111111111"),
    cli("flow-run logs 11111111-1111-1111-1111-111111111111"),
    cli("flow-run retry 11111111-1111-1111-1111-111111111111"),
    cli("flow-run inspect not-an-id"),
    sdk(RUN.format("run-3b") + " and c.delete_flow_run(r.id)"),
    sdk("sorted(r.name for r in c.read_flow_runs(flow_run_filter=FlowRunFilter(name={'like_': 'run-'})))"),
)

LOGS = scenario(
    "logs",
    sdk("c.create_flow_run(FLOW, name='logged').name"),
    sdk(RUN.format("logged") + " and c.create_logs([LogCreate(name='a', level=20 + n, message=f'line {n}', "
        "timestamp=T0 + timedelta(seconds=n), flow_run_id=r.id) for n in range(5)])"),
    sdk(RUN.format("logged") + " and [(l.level, l.message) for l in c.read_logs(LogFilter(flow_run_id="
        "{'any_': [r.id]}), sort='TIMESTAMP_ASC')]"),
    sdk(RUN.format("logged") + " and [l.message for l in c.read_logs(LogFilter(flow_run_id={'any_': [r.id]}, "
        "level={'ge_': 23}), sort='TIMESTAMP_DESC', limit=1)]"),
)  # fmt: skip

BLOCK_SCENARIO = scenario(
    "blocks",
    cli("block register --file {folder}/blocks.py"),
    cli("block register --file {folder}/blocks.py"),
    cli("block register --file {folder}/nowhere.py"),
    cli("block type inspect lighthouse"),
    cli("block type inspect nowhere"),
    sdk("Lighthouse(height=31, colour='red', key='hush').save('pharos') and None"),
    sdk("Lighthouse(height=31, colour='red').save('pharos')"),
    sdk("Lighthouse(height=32, colour='green', key='new').save('pharos', overwrite=True) and None"),
    sdk("Lighthouse.load('pharos').model_dump(mode='json', include={'height', 'colour'})"),
    sdk("Lighthouse.load('pharos').key.get_secret_value()"),
    sdk("Lighthouse.load('nowhere')"),
    sdk("Coast(lighthouse=Lighthouse.load('pharos')).save('north') and None"),
    sdk("Coast.load('north').lighthouse.model_dump(mode='json', include={'height', 'colour'})"),
    sdk("Coast(lighthouse=Lighthouse(colour='white')).save('south') and None"),
    sdk("Coast.load('south').lighthouse.colour"),
    sdk("c.read_block_document_by_name('pharos', 'lighthouse', include_secrets=False).data"),
    cli("block inspect lighthouse/pharos"),
    cli("block inspect lighthouse/nowhere"),
    cli("block delete lighthouse/pharos"),
    cli("block delete lighthouse/pharos"),
    sdk("Secret(value='x').save('plain') and Secret.load('plain').get()"),
    cli("block type delete lighthouse"),
    cli("block type delete nowhere"),
)

VARIABLES = scenario(
    "variables",
    cli("variable set wind north"),
    cli("variable set wind south"),
    cli("variable set wind south --overwrite --tag weather"),
    cli("variable get wind"),
    cli("variable get nowhere"),
    cli("variable inspect wind"),
    cli("variable set depth '{\"a\": [1, 2.5, null]}'"),
    cli("variable get depth"),
    sdk("Variable.get('depth')"),
    sdk("Variable.get('nowhere', default='calm')"),
    sdk("Variable.set('depth', [1, 2], overwrite=True) and Variable.get('depth')"),
    sdk("Variable.set('Not a Name!', 1)"),
    sdk("sorted((v.name, v.tags) for v in c.read_variables() if v.name in ('wind', 'depth'))"),
    cli("variable ls"),
    cli("variable unset wind"),
    cli("variable unset wind"),
    cli("variable unset depth"),
)

LIMITS = scenario(
    "concurrency limits",
    cli("concurrency-limit create slow-tag 2"),
    cli("concurrency-limit create slow-tag 3"),
    cli("concurrency-limit inspect slow-tag"),
    cli("concurrency-limit inspect nowhere"),
    cli("concurrency-limit ls"),
    cli("concurrency-limit reset slow-tag"),
    cli("concurrency-limit delete slow-tag"),
    cli("concurrency-limit delete slow-tag"),
    cli("global-concurrency-limit create boats --limit 2"),
    cli("global-concurrency-limit create boats --limit 2"),
    cli("global-concurrency-limit create bad --limit -1"),
    cli("global-concurrency-limit create rated --limit 2 --slot-decay-per-second 1.5 --disable"),
    cli("global-concurrency-limit inspect boats"),
    cli("global-concurrency-limit inspect nowhere"),
    cli("global-concurrency-limit ls"),
    cli("global-concurrency-limit update boats --limit 7"),
    cli("global-concurrency-limit update nowhere --limit 7"),
    cli("global-concurrency-limit disable boats"),
    cli("global-concurrency-limit disable boats"),
    cli("global-concurrency-limit enable boats"),
    sdk("c.read_global_concurrency_limit_by_name('boats').model_dump(include={'limit', 'active', 'active_slots'})"),
    sdk("hold('boats', 2)"),
    sdk("hold('boats', 8)"),
    sdk("c.read_global_concurrency_limit_by_name('boats').active_slots"),
    cli("global-concurrency-limit delete boats"),
    cli("global-concurrency-limit delete boats"),
    cli("global-concurrency-limit delete rated"),
)

ARTIFACTS = scenario(
    "artifacts",
    sdk("create_markdown_artifact('# Tides', key='tides', description='high') and None"),
    sdk("create_markdown_artifact('# More', key='tides', description='low') and None"),
    sdk("create_table_artifact([{'a': 1}], key='soundings') and None"),
    sdk("create_link_artifact('https://example.com', key='chart') and None"),
    sdk("create_markdown_artifact('x', key='Not A Key')"),
    cli("artifact ls --all"),
    cli("artifact inspect nowhere"),
    sdk("sorted((a.key, a.type, a.description) for a in c.read_artifacts())"),
    sdk("sorted((a.key, a.type, a.data) for a in c.read_latest_artifacts())"),
    sdk("Artifact.get('tides').data"),
    sdk("c.delete_artifact(NOWHERE)"),
    cli("artifact delete soundings"),
    cli("artifact delete soundings"),
)

DOOMED = "(r := c.read_flow_run(Variable.get('doomed')))"
DELETED = "(r := Variable.get('doomed'))"
WHAT_IS_LEFT = scenario(
    "what a deleted run leaves",
    sdk("(r := c.create_flow_run(FLOW, name='doomed')) and Variable.set('doomed', str(r.id)).name"),
    sdk("post('task_runs/', id=TASK, flow_run_id=Variable.get('doomed'), task_key='t', dynamic_key='0')"),
    sdk("post('flow_runs/', name='child', flow_id=str(c.create_flow(FLOW)), parent_task_run_id=TASK)"),
    sdk("post('artifacts/', key='of-run', data='x', flow_run_id=Variable.get('doomed'))"),
    sdk("post('artifacts/', key='of-task', data='x', flow_run_id=Variable.get('doomed'), task_run_id=TASK)"),
    sdk("post(f\"flow_runs/{Variable.get('doomed')}/input\", key='k', value='1')"),
    sdk(DOOMED + " and c.create_logs([LogCreate(name='a', level=20, message='x', timestamp=T0, flow_run_id=r.id)])"),
    sdk(DOOMED + " and len(c.read_logs(LogFilter(flow_run_id={'any_': [r.id]})))"),
    sdk(DOOMED + " and c.delete_flow_run(r.id)"),
    sdk(DELETED + " and len(c.read_flow_run_states(r))"),
    sdk("[t.name for t in c.read_task_runs(task_run_filter=TaskRunFilter(id={'any_': [TASK]}))]"),
    sdk("post(f\"flow_runs/{Variable.get('doomed')}/input/filter\", prefix='')"),
    sdk(DELETED + " and until_none(lambda: c.read_logs(LogFilter(flow_run_id={'any_': [r]})))"),
    sdk("[r.parent_task_run_id for r in c.read_flow_runs(flow_run_filter=FlowRunFilter(name={'any_': ['child']}))]"),
    sdk("sorted((a.key, a.data, str(a.flow_run_id) == Variable.get('doomed'), str(a.task_run_id) == TASK) "
        "for a in c.read_artifacts(artifact_filter=ArtifactFilter(key={'like_': 'of-'})))"),
    sdk("Artifact.get('of-run').data"),
)  # fmt: skip

SCENARIOS = [POOLS, QUEUES, DEPLOYMENTS, RUNS, LOGS, BLOCK_SCENARIO, VARIABLES, LIMITS, ARTIFACTS, WHAT_IS_LEFT]
