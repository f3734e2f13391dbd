"""Compressed batches read like one sorted list of lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skylift.errors import InvalidError
from skylift.models.runs import LogCreate
from skylift.store import Store, logs, old
from skylift.store.tables import log_batches

AT = datetime(2026, 3, 1, tzinfo=UTC)
RUN = uuid4()


def line(second: float, message: str = "m", level: int = 20, run: UUID | None = RUN) -> LogCreate:
    at = AT + timedelta(seconds=second)
    return LogCreate(name="flow", level=level, message=message, timestamp=at, flow_run_id=run)


def _post(store: Store, *lines: LogCreate) -> None:
    store.transaction(logs.append, list(lines))


def _read(store: Store, sort: str | None = None, limit: int | None = None, offset: int = 0, **own: Any) -> list[str]:
    with store.reading(together=True) as tx:
        found = logs.find(tx, {"logs": own}, sort, limit, offset)
        return [each.message for each in found]


def test_lines_of_overlapping_batches_come_in_order(store: Store) -> None:
    _post(store, line(1, "1"), line(5, "5"), line(9, "9"))
    _post(store, line(2, "2"), line(3, "3"))
    _post(store, line(9, "9b"), line(0, "0"))
    _post(store, line(4, "other", run=uuid4()))
    mine: dict[str, Any] = {"flow_run_id": {"any_": [str(RUN)]}}
    read = _read(store, **mine)
    assert read[:5] == ["0", "1", "2", "3", "5"]
    assert set(read[5:]) == {"9", "9b"}
    assert _read(store, "TIMESTAMP_DESC", **mine) == read[::-1]
    assert _read(store, limit=2, offset=3, **mine) == ["3", "5"]
    assert len(_read(store)) == 8
    with store.reading(together=True) as tx:
        first, second = (logs.find(tx, {"logs": mine}) for _ in range(2))
        assert [each.id for each in first] == [each.id for each in second]
        assert len({each.id for each in first}) == 7


def test_filters_by_level_and_time(store: Store) -> None:
    _post(store, line(1, "debug", 10), line(2, "error", 40))
    _post(store, line(3, "info", 20))
    assert _read(store, level={"ge_": 20}) == ["error", "info"]
    assert _read(store, level={"ge_": 20, "le_": 30}) == ["info"]
    assert _read(store, timestamp={"after_": (AT + timedelta(seconds=2)).isoformat()}) == ["error", "info"]
    assert _read(store, timestamp={"before_": (AT + timedelta(seconds=1)).isoformat()}) == ["debug"]
    assert _read(store, name={"any_": ["flow"]}, task_run_id={"is_null_": False}) == []


@pytest.mark.parametrize(
    "body",
    [
        {"logs": {"text": {"query": "x"}}},
        {"flows": {"id": {}}},
        {"logs": {"operator": "or_", "level": {"ge_": 1}, "name": {"any_": []}}},
    ],
)
def test_other_filters_are_refused(store: Store, body: dict[str, Any]) -> None:
    with store.reading() as tx, pytest.raises(InvalidError):
        logs.find(tx, body)


def test_large_batches_become_several_rows_and_long_messages_are_cut(store: Store) -> None:
    _post(store, *(line(second, f"{second}") for second in range(2500)))
    _post(store, line(3000, "x" * (logs.MAX_MESSAGE + 5)))
    with store.reading(together=True) as tx:
        assert sorted(row.lines for row in tx.all(log_batches.select())) == [1, 500, 1000, 1000]
    assert _read(store, limit=1, offset=2499) == ["2499"]
    [last] = _read(store, "TIMESTAMP_DESC", limit=1)
    assert last.startswith("xxx")
    assert last.endswith(logs.CUT)
    with pytest.raises(InvalidError):
        _post(store, *[line(1)] * (logs.MAX_POST + 1))


def test_logs_leave_with_their_run_or_their_age(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _post(store, line(1), line(2, run=None))
    _post(store, line(100))
    for most in (1, 9):
        monkeypatch.setattr(old, "ROWS", most)
        assert store.transaction(old.logs, AT + timedelta(seconds=50)).gone == 1
    assert len(_read(store)) == 1
    assert store.transaction(old.left_logs, AT + timedelta(seconds=101), None).gone == 1, "its run is no more"
    assert _read(store) == []
    assert store.transaction(logs.append, []) == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6), max_size=8),
    newest_first=st.booleans(),
    offset=st.integers(0, 20),
    limit=st.integers(0, 20),
)
def test_any_batches_read_like_one_sorted_list(
    store: Store, batches: list[list[int]], newest_first: bool, offset: int, limit: int
) -> None:
    store.transaction(lambda tx: tx.run(log_batches.delete()))
    for batch in batches:
        _post(store, *(line(second, f"{second}") for second in batch))
    expected = sorted((second for batch in batches for second in batch), reverse=newest_first)
    sort = "TIMESTAMP_DESC" if newest_first else "TIMESTAMP_ASC"
    found = _read(store, sort, limit, offset)
    assert found == [f"{second}" for second in expected[offset : offset + limit]]
