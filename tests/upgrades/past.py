"""An installation with a row in every table, as a version of the tables knew them: what later versions find.

`python -m tests.upgrades.past` records today's as `data/<version>.json`, once for each version, before the next step is
written: the rows as SQLite keeps them, and what the API answered to whoever asked for all of them.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Boolean, Engine, LargeBinary, inspect, text

from skylift.ids import API_KEY_PREFIX, RUN_TOKEN_PREFIX, new_id
from skylift.models.pools import PoolSettings
from skylift.models.webhooks import SignatureKind
from skylift.provider import Quota
from skylift.schedule import schedule
from skylift.store import Store, quota
from skylift.store.migrations import script_directory
from skylift.store.schema_version import HEAD
from skylift.webhooks.signatures import sign
from tests.api.making import Api, api_of, attempt_id_of, ok
from tests.upgrades.schema import VERSION_TABLE

DATA = Path(__file__).parent / "data"
KEY = base64.urlsafe_b64encode(b"hunter2-hunter2-hunter2-hunter2-").decode()
SECRET, HOOK, TOKEN, ADMIN = (f"hunter2-of-{what}" for what in ("a-block", "a-webhook", "the-run", "an-admin"))
INSTANCE = "instance-1"
CATALOGUE = {"block_types": "slug <> 'thing'", "block_schemas": "version = 'skylift'"}
"""What each version writes anew as it begins, and so is not recorded."""
HOURLY = {"schedule": {"cron": "0 * * * *", "timezone": "Europe/Paris"}, "slug": "hourly"}
BLOCK = {
    "title": "Thing",
    "type": "object",
    "properties": {"password": {"type": "string", "format": "password"}},
    "block_type_slug": "thing",
    "secret_fields": ["password"],
    "block_schema_references": {},
}


@dataclass(frozen=True, slots=True)
class Past:
    """What was recorded."""

    version: str
    at: str
    """The instant at which all was asked."""
    webhook: str
    """Its path."""
    attempt: str
    """A live one, admitted with `TOKEN`."""
    answers: list[list[Any]]
    """Each as method, path, body and answer."""
    rows: dict[str, list[dict[str, Any]]]


def fill(api: Api) -> tuple[str, str]:
    """Something in every table, through the API as far as it goes; the path of a webhook, and a live attempt."""
    http = api.http
    api.place.cloud.allowed = Quota(rate=1.0, burst=100, key="account")
    api.pool(settings=PoolSettings(reports=True).model_dump(mode="json"), concurrency_limit=10)
    api.queue("urgent", priority=1, concurrency_limit=5)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    made = api.deployment(
        job_variables={"command": "true", "runner": True},
        schedules=[HOURLY],
        parameter_openapi_schema=schema,
        tags=["a"],
    )
    schedule(api.place.parts)
    ended, lived, waiting = (api.run(made["id"], name=name, tags=["b"])["id"] for name in ("ended", "lived", "waiting"))
    ok(http.post(f"flow_runs/{waiting}/set_state", json={"state": later(api, 86400)}), 201)
    containers = {str(each.launch.flow_run_id): each for each in api.launch()}
    api.place.store.transaction(quota.drain, "account")
    tokens = {ended: "hunter2-of-another-run", lived: TOKEN}
    for run, token in tokens.items():
        with mock.patch("skylift.admission.new_token", return_value=token):
            body = {"instance": INSTANCE, "nonce": containers[run].env["SKYLIFT_NONCE"]}
            ok(http.post(f"attempts/{attempt_id_of(containers[run])}/admit", json=body))
        ok(api.propose(run, "RUNNING", headers=bearer(token)), 201)
        _belongings(api, run, bearer(token))
    ended_body = {"instance": INSTANCE, "outcome": "completed", "exit_code": 0}
    ok(http.post(f"attempts/{attempt_id_of(containers[ended])}/end", json=ended_body, headers=bearer(tokens[ended])))
    ok(http.post(f"deployments/{made['id']}/create_flow_run", json={"name": "asked for"}, headers=bearer(TOKEN)), 201)
    _shared(api, made["id"], lived)
    hook = {"name": "hook", "deployment_id": made["id"], "kind": "hmac", "secret": HOOK}
    path: str = ok(http.post("skylift/webhooks/", json=hook), 201)["path"]
    ok(deliver(api, path, {"n": 1}), 202)
    with mock.patch("skylift.store.api_keys.new_token", return_value=ADMIN):  # last: from now on it has to be shown
        ok(http.post("api_keys/", json={"name": "admin", "role": "admin"}), 201)
    return path, str(attempt_id_of(containers[lived]))


def later(api: Api, seconds: float) -> dict[str, Any]:
    return {"type": "SCHEDULED", "state_details": {"scheduled_time": api.at(seconds)}}


def bearer(token: str, prefix: str = RUN_TOKEN_PREFIX) -> dict[str, str]:
    return {"Authorization": f"Bearer {prefix}{token}"}


def deliver(api: Api, path: str, body: Any) -> Any:
    content = json.dumps(body).encode()
    signed = sign(SignatureKind.HMAC, HOOK, content, now=api.place.clock.at)
    return api.http.post(
        f"http://skylift{path}", content=content, headers=signed | {"content-type": "application/json"}
    )


def _belongings(api: Api, run: str, token: dict[str, str]) -> None:
    """What flows leave behind."""
    http = api.http
    task = {"flow_run_id": run, "task_key": "t", "dynamic_key": "0", "name": "task", "state": {"type": "RUNNING"}}
    task_run = ok(http.post("task_runs/", json=task, headers=token), 201)["id"]
    artifact = {"key": "report", "type": "markdown", "data": "# Done", "flow_run_id": run, "task_run_id": task_run}
    ok(http.post("artifacts/", json=artifact, headers=token), 201)
    lines = [
        {"name": "flow", "level": level, "message": f"line {level}", "timestamp": api.at(), "flow_run_id": run}
        for level in (20, 40)
    ]
    ok(http.post("logs/", json=lines, headers=token), 201)
    ok(http.post(f"flow_runs/{run}/input", json={"key": "answer", "value": '"yes"'}, headers=token), 201)
    event = {
        "id": str(new_id()),
        "occurred": api.at(),
        "event": "something.happened",
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
    }
    ok(http.post("events", json=[event], headers=token), 204)


def _shared(api: Api, deployment: str, run: str) -> None:
    """What runs share, and what workers of pull pools say."""
    http = api.http
    ok(http.post("variables/", json={"name": "region", "value": {"a": [1]}, "tags": ["t"]}), 201)
    kind = ok(http.post("block_types/", json={"name": "Thing", "slug": "thing"}), 201)["id"]
    schema = ok(
        http.post("block_schemas/", json={"block_type_id": kind, "fields": BLOCK, "capabilities": ["write-path"]}), 201
    )["id"]
    document = {"name": "mine", "data": {"password": SECRET}, "block_type_id": kind, "block_schema_id": schema}
    made = ok(http.post("block_documents/", json=document), 201)["id"]
    ok(http.put("admin/storage", json={"default_result_storage_block_id": made}))
    ok(http.post("v2/concurrency_limits/", json={"name": "database", "limit": 3}), 201)
    holder = {"type": "flow_run", "id": run}
    lease = {"names": ["database"], "slots": 2, "lease_duration": 3600, "holder": holder}
    ok(http.post("v2/concurrency_limits/increment-with-lease", json=lease))
    api.pool("pulled", type="process", base_job_template={})
    ok(http.post("work_pools/pulled/workers/heartbeat", json={"name": "worker"}), 204)
    ok(http.post("deployments/get_scheduled_flow_runs", json={"deployment_ids": [deployment]}))


THING = {"block_types": {"slug": {"any_": ["thing"]}}}
LISTS: dict[str, Any] = {
    **{f"{name}/filter": {} for name in ("artifacts", "artifacts/latest", "events", "logs", "variables", "work_pools")},
    **{f"work_{name}/filter": {} for name in ("pools", "queues", "pools/pulled/workers")},
    "block_types/filter": THING,
    "block_documents/filter": THING | {"include_secrets": True},
}
SINGLE = (
    "admin/storage api_keys/ skylift/installation skylift/webhooks/ skylift/webhooks/hook/deliveries"
    " v2/concurrency_limits/database"
).split()
PARTS = {
    "flow_runs": ("flow_runs/{}/states",),
    "deployments": ("deployments/{}/schedules",),
}


def ask_everything(api: Api) -> list[list[Any]]:
    """Every list that there is, and each thing of it by its id."""
    answers = []

    def ask(method: str, path: str, body: Any = None) -> Any:
        found = ok(api.http.request(method, path, json=body, headers=bearer(ADMIN, API_KEY_PREFIX)))
        answers.append([method, path, body, found])
        return found

    for path, body in LISTS.items():
        ask("POST", path, body)
    for path in SINGLE:
        ask("GET", path)
    for name in ("flows", "deployments", "flow_runs", "task_runs"):
        for each in ask("POST", f"{name}/filter", {}):
            for path in (name + "/{}", *PARTS.get(name, ())):
                ask("GET", path.format(each["id"]))
            if name == "flow_runs":
                ask("POST", f"flow_runs/{each['id']}/input/filter", {"prefix": "answer"})
    return answers


def record() -> Past:
    """Today's."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "skylift.db"
        store = Store(f"sqlite:///{file}")
        store.migrate()
        store.close()
        for api in api_of(f"sqlite:///{file}", KEY):
            webhook, attempt = fill(api)
            answers, at = ask_everything(api), api.at()
        with sqlite3.connect(file) as db:
            db.row_factory = sqlite3.Row
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = {name: _rows(db, name) for name in sorted(tables) if name != VERSION_TABLE}
    return Past(HEAD, at, webhook, attempt, answers, rows)


def _rows(db: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    without = CATALOGUE.get(table)
    query = f"SELECT * FROM {table}" + (f" WHERE NOT ({without})" if without else "")
    return [{name: _plain(row[name]) for name in row.keys()} for row in db.execute(query)]  # noqa: SIM118


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def upgrade(engine: Engine, to: str) -> None:
    """Bring the tables to this version."""
    scripts = script_directory()
    with engine.begin() as conn:
        wanted = {"fn": lambda revision, _context: scripts._upgrade_revs(to, revision)}
        context = MigrationContext.configure(conn, opts=wanted)
        with Operations.context(context):
            context.run_migrations()


def load(past: Past, engine: Engine) -> None:
    """Write the rows into tables of the version that they were recorded of."""
    found = inspect(engine)
    with engine.begin() as conn:
        for name, rows in past.rows.items():
            kinds = {column["name"]: column["type"] for column in found.get_columns(name)}
            names, values = ", ".join(f'"{each}"' for each in kinds), ", ".join(f":{each}" for each in kinds)
            for row in rows:
                typed = {column: _typed(value, kinds[column]) for column, value in row.items()}
                conn.execute(text(f"INSERT INTO {name} ({names}) VALUES ({values})"), typed)


def _typed(value: Any, kind: Any) -> Any:
    if value is not None and isinstance(kind, Boolean):
        return bool(value)
    return base64.b64decode(value) if value is not None and isinstance(kind, LargeBinary) else value


def read(version: str) -> Past:
    """As it was recorded."""
    return Past(**json.loads((DATA / f"{version}.json").read_text()))


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    (DATA / f"{HEAD}.json").write_text(json.dumps(asdict(record()), separators=(",", ":")) + "\n")
