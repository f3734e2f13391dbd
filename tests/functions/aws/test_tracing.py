"""Traces: what the daemon of X-Ray is told, and that nothing is told where nobody traces."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from skylift_functions.aws.tracing import traced
from tests.functions.aws.bench import Bench, batch, due_body
from tests.support.installation import Installation

ROOT, PARENT = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where Lambda has it: a port for UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{made.getsockname()[1]}")
        monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=a:0")
        yield made


def test_a_dispatch_is_a_part_of_its_trace_that_can_be_searched_for_by_pool(
    daemon: socket.socket, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Installation(postgres_url)
    bench, pool, began = Bench(place, monkeypatch), place.pool(), time.time()
    place.run(place.deployment().id)
    bench.call("dispatch", batch(due_body(pool.id)))
    header, _, body = daemon.recv(65_536).partition(b"\n")
    assert json.loads(header) == {"format": "json", "version": 1}
    told = json.loads(body)
    assert (told["type"], told["trace_id"], told["parent_id"]) == ("subsegment", ROOT, PARENT)
    assert len(told["id"]) == 16
    assert began <= told["start_time"] <= told["end_time"] <= time.time()
    assert told["annotations"] == {"pool": str(pool.id), "claimed": 1, "launched": 1}
    assert "fault" not in told
    place.close()


def test_what_failed_is_a_fault_and_is_raised_as_it_was(daemon: socket.socket) -> None:

    def work() -> None:
        with traced("work") as about:
            about["pool"] = "p"
            raise LookupError

    with pytest.raises(LookupError):
        work()
    told = json.loads(daemon.recv(65_536).partition(b"\n")[2])
    assert told["fault"] is True
    assert told["annotations"] == {"pool": "p"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_X_AMZN_TRACE_ID", f"Root={ROOT};Parent={PARENT};Sampled=0"),
        ("_X_AMZN_TRACE_ID", ""),
        ("AWS_XRAY_DAEMON_ADDRESS", ""),
        ("AWS_XRAY_DAEMON_ADDRESS", "nowhere.invalid:2000"),
    ],
)
def test_nothing_is_told_where_nobody_traces(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with traced("work"):
        pass
    daemon.settimeout(0.2)
    with pytest.raises(TimeoutError):
        daemon.recv(65_536)
