"""Wire filters against rows of every shape, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Boolean, Float, Integer, Text, Uuid, literal, select

from skylift.errors import InvalidError
from skylift.ids import new_id
from skylift.store import Store, Tx, tables
from skylift.store.filter_table import RESOURCES
from skylift.store.filters import count_filtered, select_filtered
from skylift.store.prefixes import begins
from skylift.store.types import Json, UtcDateTime

AT = datetime(2026, 3, 1, tzinfo=UTC)


def _insert(tx: Tx, resource: str, **values: Any) -> UUID:
    """A row with what is given, and something in every other column that must have a value."""
    table = RESOURCES[resource].table
    fillers: dict[type, Any] = {
        Text: "x",
        Integer: 0,
        Boolean: False,
        Float: 0.0,
        Uuid: new_id(),
        UtcDateTime: AT,
        Json: {},
    }
    row: dict[str, Any] = {"id": new_id()}
    for column in table.c:
        if column.name not in row and not column.nullable and column.name not in values:
            row[column.name] = [] if column.name == "tags" else fillers[type(column.type)]
    tx.conn.execute(table.insert().values({**row, **values}))
    found: UUID = row["id"]
    return found


@pytest.fixture
def filled(store: Store) -> Store:
    def fill(tx: Tx) -> None:
        pool = _insert(tx, "work_pools", name="pool", type="process:push")
        queue = _insert(tx, "work_queues", name="queue", work_pool_id=pool, priority=1)
        for number, (name, tags) in enumerate(
            [("Alpha", ["a", "b"]), ("beta_1", ["A", 'x"a']), ("betaX1", []), ("ünï%", ["a,b", "[", "é"])]
        ):
            flow = _insert(tx, "flows", name=name, tags=tags)
            deployment = _insert(
                tx,
                "deployments",
                flow_id=flow,
                name=f"{name}-dep",
                tags=tags,
                work_pool_id=pool if number == 0 else None,
                work_queue_id=queue if number == 0 else None,
                concurrency_limit=number or None,
                paused=number == 1,
            )
            _insert(
                tx,
                "flow_runs",
                flow_id=flow,
                deployment_id=deployment,
                name=f"run-{number}",
                tags=tags,
                state_type="RUNNING" if number == 1 else "SCHEDULED",
                state_name="Late" if number == 2 else "Running" if number == 1 else "Scheduled",
                expected_start_time=AT + timedelta(hours=number),
                start_time=AT + timedelta(hours=number) if number < 2 else None,
                work_pool_id=pool if number == 0 else None,
                work_queue_id=queue if number == 0 else None,
                idempotency_key=f"key-{number}",
            )

    store.transaction(fill)
    return store


def _names(store: Store, resource: str, filters: dict[str, Any], **page: Any) -> list[str]:
    with store.reading() as tx:
        rows = [row.name for row in tx.all(select_filtered(resource, filters, **page))]
        if not page:
            assert tx.conn.execute(count_filtered(resource, filters)).scalar_one() == len(rows)
        return rows


def _flows(store: Store, **body: Any) -> set[str]:
    return set(_names(store, "flows", {"flows": body}))


def _runs(store: Store, **parts: Any) -> str:
    return "".join(sorted(name[-1] for name in _names(store, "flow_runs", parts)))


ALL = {"Alpha", "beta_1", "betaX1", "ünï%"}


def test_names_and_tags(filled: Store) -> None:
    assert _flows(filled) == ALL
    assert _flows(filled, name={"any_": ["Alpha", "none"]}) == {"Alpha"}
    assert _flows(filled, name={"any_": []}) == set()
    assert _flows(filled, name={"not_any_": ["Alpha"]}) == ALL - {"Alpha"}
    assert _flows(filled, name={"like_": "ALPH"}) == {"Alpha"}
    assert _flows(filled, name={"like_": "a_1"}) == {"beta_1"}
    assert _flows(filled, name={"like_": "%"}) == {"ünï%"}
    assert _flows(filled, name={"startswith_": ["be", "Al"]}) == {"Alpha", "beta_1", "betaX1"}
    assert _flows(filled, name={"startswith_": ["al"]}) == set()
    assert _flows(filled, tags={"all_": ["a"]}) == {"Alpha"}
    assert _flows(filled, tags={"all_": ["a", "b"]}) == {"Alpha"}
    assert _flows(filled, tags={"all_": ["a", "c"]}) == set()
    assert _flows(filled, tags={"any_": ["A", "b"]}) == {"Alpha", "beta_1"}
    assert _flows(filled, tags={"any_": ['x"a', "é"]}) == {"beta_1", "ünï%"}
    assert _flows(filled, tags={"any_": []}) == set()
    assert _flows(filled, tags={"all_": []}) == ALL
    assert _flows(filled, tags={"is_null_": True}) == {"betaX1"}
    assert _flows(filled, tags={"is_null_": False}) == ALL - {"betaX1"}


def test_operators_join_fields(filled: Store) -> None:
    two = {"name": {"any_": ["Alpha"]}, "tags": {"any_": ["A"]}}
    assert _flows(filled, **two) == set()
    assert _flows(filled, operator="or_", **two) == {"Alpha", "beta_1"}
    assert _flows(filled, operator="not_", name={"any_": ["Alpha"]}) == ALL - {"Alpha"}
    assert _flows(filled, tags={"operator": "or_", "all_": ["a"], "is_null_": True}) == {"Alpha", "betaX1"}
    assert _flows(filled, operator="or_", name={"any_": ["Alpha"]}, tags={"all_": None}, id=None) == {"Alpha"}
    assert _flows(filled, operator="or_", name=None) == ALL


def test_runs_by_state_times_and_ids(filled: Store) -> None:
    def own(**body: Any) -> str:
        return _runs(filled, flow_runs=body)

    assert own(state={"type": {"any_": ["RUNNING"]}}) == "1"
    assert own(state={"type": {"not_any_": ["RUNNING"]}}) == "023"
    assert own(state={"operator": "or_", "type": {"any_": ["RUNNING"]}, "name": {"any_": ["Late"]}}) == "12"
    assert own(expected_start_time={"after_": "2026-03-01T01:00:00Z", "before_": "2026-03-01 02:00:00"}) == "12"
    assert own(expected_start_time={"after_": "2026-03-01T04:00:00+03:00"}) == "123"
    assert own(start_time={"is_null_": True}) == "23"
    assert own(idempotency_key={"any_": ["key-2"]}) == "2"
    assert own(work_queue_name={"any_": ["queue"]}) == "0"
    assert own(work_queue_name={"is_null_": True}) == "123"
    assert own(deployment_id={"is_null_": True}) == ""
    assert own(parent_task_run_id={"any_": [str(new_id())]}) == ""
    assert own(auto_scheduled={"eq_": False}) == "0123"


def test_questions_about_related_resources(filled: Store) -> None:
    assert _runs(filled, flows={"name": {"any_": ["Alpha"]}}, deployments={"tags": {"all_": ["b"]}}) == "0"
    assert _runs(filled, deployments={"paused": {"eq_": True}}) == "1"
    assert _runs(filled, deployments={"concurrency_limit": {"ge_": 2}}) == "23"
    assert _runs(filled, work_pools={"type": {"any_": ["process:push"]}}) == "0"
    assert _runs(filled, work_pool_queues={"name": {"any_": ["queue"]}}) == "0"
    assert _runs(filled, work_pools={"operator": "not_", "name": {"any_": ["pool"]}}) == ""
    assert _runs(filled, task_runs={"operator": "and_", "id": None}) == "0123"
    running = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
    assert _names(filled, "flows", running) == ["beta_1"]
    assert _names(filled, "deployments", running) == ["beta_1-dep"]
    assert _names(filled, "flows", {"work_pools": {"name": {"any_": ["pool"]}}}) == ["Alpha"]
    assert _names(filled, "work_queues", {"work_pools": {"name": {"any_": ["pool"]}}}) == ["queue"]
    assert _names(filled, "work_pools", {"work_queues": {"name": {"any_": ["queue"]}}}) == ["pool"]


def test_sorts_and_pages(filled: Store) -> None:
    def runs(**page: Any) -> str:
        return "".join(name[-1] for name in _names(filled, "flow_runs", {}, **page))

    assert runs(sort="EXPECTED_START_TIME_DESC") == "3210"
    assert runs(sort="EXPECTED_START_TIME_ASC", limit=2, offset=1) == "12"
    assert runs(sort="START_TIME_DESC")[:2] == "10"
    assert runs(sort="START_TIME_ASC")[:2] == "01"
    assert runs(sort="NAME_DESC", limit=0) == ""
    assert runs(sort=None)[0] in "0123"


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_sort_and_every_operator_is_understood_by_the_database(store: Store, resource: str) -> None:
    examples = {"_time": "2026-01-01T00:00:00Z", "level": 1}
    known = RESOURCES[resource]
    with store.reading() as tx:
        for column in known.sorts:
            for way in ("ASC", "DESC"):
                tx.all(select_filtered(resource, {}, f"{column.upper()}_{way}"))
        for name, operators in known.fields.items():
            for operator in operators:
                value = _example(operator, name, examples)
                body: dict[str, Any] = {operator: value}
                for part in reversed(name.split(".")):
                    body = {part: body}
                tx.all(select_filtered(resource, {resource: body}))


def _example(operator: str, name: str, examples: dict[str, Any]) -> Any:
    if operator in ("is_null_", "exists_", "eq_"):
        return True
    if operator in ("ge_", "le_"):
        return 1
    if operator in ("before_", "after_"):
        return examples["_time"]
    one = "RUNNING" if name == "state.type" else str(new_id()) if name.endswith("id") else "x"
    return one if operator == "like_" else [one]


@pytest.mark.parametrize(
    ("filters", "path"),
    [
        ({"flow_run": {}}, None),
        ({"flow_run": {"id": {"any_": []}}}, "flow_run"),
        ({"artifacts": {"id": {"any_": []}}}, "artifacts"),
        ({"flow_runs": {"nmae": {"any_": []}}}, "flow_runs.nmae"),
        ({"flow_runs": {"name": {"any": []}}}, "flow_runs.name.any"),
        ({"flow_runs": {"state": {"typ": {"any_": []}}}}, "flow_runs.state.typ"),
        ({"flow_runs": {"state": {"type": {"any_": ["RUNING"]}}}}, "flow_runs.state.type.any_[0]"),
        ({"flow_runs": {"id": {"any_": ["1"]}}}, "flow_runs.id.any_[0]"),
        ({"flow_runs": {"id": {"any_": [3]}}}, "flow_runs.id.any_[0]"),
        ({"flow_runs": {"id": {"any_": "x"}}}, "flow_runs.id.any_"),
        ({"flow_runs": {"id": ["x"]}}, "flow_runs.id"),
        ({"flow_runs": "x"}, "flow_runs"),
        ({"flow_runs": {"name": {"like_": "a\0"}}}, "flow_runs.name.like_"),
        ({"flow_runs": {"name": {"any_": ["x"] * 5001}}}, "flow_runs.name.any_"),
        ({"flow_runs": {"start_time": {"after_": "soon"}}}, "flow_runs.start_time.after_"),
        ({"flow_runs": {"start_time": {"is_null_": 1}}}, "flow_runs.start_time.is_null_"),
        ({"flow_runs": {"operator": "xor_"}}, "flow_runs.operator"),
        ({"deployments": {"concurrency_limit": {"ge_": 2**40}}}, "deployments.concurrency_limit.ge_"),
    ],
)
def test_what_is_not_known_is_refused_by_its_path(filters: dict[str, Any], path: str | None) -> None:
    if path is None:  # asks for nothing, so it cannot be misunderstood
        select_filtered("flow_runs", filters)
        return
    with pytest.raises(InvalidError) as caught:
        select_filtered("flow_runs", filters)
    assert caught.value.field == path
    assert path in str(caught.value)


@pytest.mark.parametrize(
    "page", [{"limit": 201}, {"limit": -1}, {"offset": -1}, {"sort": "SHOE_SIZE_ASC"}, {"sort": "NAME"}]
)
def test_pages_have_bounds(page: dict[str, Any]) -> None:
    with pytest.raises(InvalidError) as caught:
        select_filtered("flows", {}, **page)
    assert caught.value.field in page


def test_every_column_named_in_the_table_exists() -> None:
    for resource in RESOURCES.values():
        for link in resource.links.values():
            assert link[0] in resource.table.c
    assert set(tables.metadata.tables) >= {each.table.name for each in RESOURCES.values()}


def test_a_prefix_is_a_text_and_minds_the_case(store: Store) -> None:
    names = ["50%_a", "50%xa", "50x_a", "Abc", "abc", "ab", "!b", "\\d", "é", ""]
    for prefix in ("", "a", "A", "ab", "50%", "50%_", "!", "\\", "é", "x" * 2_000):
        with store.reading() as tx:
            found = [name for name in names if tx.conn.execute(select(begins(literal(name), prefix))).scalar_one()]
        assert found == [name for name in names if name.startswith(prefix)], prefix
