"""Output as Cloud Logging has it: late, out of order, structured, in pages, and scarce to read."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from skylift.provider import Unreachable
from skylift_cloud_run import CloudRunProvider, output
from tests.clouds.google import LocalGoogle
from tests.clouds.google_errors import ApiError
from tests.clouds.google_logging import parse
from tests.providers.cloud_run.support import PROJECT, configuration, job_body, new_provider, until
from tests.providers.contract import new_launch, wait_for, watch

COUNT = "for i in $(seq 1 {n}); do echo line $i; done"


@pytest.fixture(autouse=True)
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a minute of its own."""
    monkeypatch.setattr(output, "reads", output.Reads())


def followed(provider: CloudRunProvider, launch: object, patience: float = 15.0) -> list[str]:
    """All output, asked for as observe does: while it runs, and after its end until there is no more."""
    watched = watch(launch)  # type: ignore[arg-type]
    lines: list[str] = []
    offset, stop_at = 0, time.monotonic() + patience
    while time.monotonic() < stop_at:
        over = provider.status([watched])[watched.attempt_id].phase == "ended"
        try:
            more, after = provider.output_since(watched, offset)
        except Unreachable:
            time.sleep(0.1)
            continue
        lines += [text for _, text in more]
        if over and after == offset:
            return lines
        offset = after
        time.sleep(0.05)
    raise AssertionError(lines)


def test_lines_that_come_late_and_out_of_order_all_come_once_in_order(cloud: LocalGoogle) -> None:
    cloud.logs.delay = 0.3
    provider = new_provider()
    provider.logs_settle = 1.0
    launch = new_launch(configuration(["sh", "-c", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done"], {}))
    provider.launch(launch)
    assert followed(provider, launch) == ["1", "2", "3", "4", "5", "6"]


def test_after_the_end_lines_are_waited_for_until_the_log_is_closed(cloud: LocalGoogle) -> None:
    cloud.logs.delay = 0.4
    provider = new_provider()
    provider.logs_settle = 30.0
    launch = new_launch(configuration(["sh", "-c", "echo only"], {}))
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "ended")
    with pytest.raises(Unreachable, match="on their way"):
        provider.output_since(watched, 0)
    assert followed(provider, launch) == ["only"]


def test_a_run_that_says_nothing_has_no_output(cloud: LocalGoogle) -> None:
    provider, launch = new_provider(), new_launch(configuration(["true"], {}))
    provider.launch(launch)
    assert followed(provider, launch) == []


def test_output_comes_in_pages(cloud: LocalGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "PAGE", 40)
    provider, launch = new_provider(), new_launch(configuration(["sh", "-c", COUNT.format(n=300)], {}))
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "ended")
    found = followed(provider, launch)
    assert sorted(set(found), key=lambda line: int(line.split()[1])) == [f"line {n}" for n in range(1, 301)]
    assert len(found) == 300


def test_structured_lines_are_read_by_their_message(cloud: LocalGoogle) -> None:
    said = """echo '{"severity": "INFO", "message": "hello"}'; echo '{"rows": 3}'; echo '{broken'"""
    provider, launch = new_provider(), new_launch(configuration(["sh", "-c", said], {}))
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "ended")
    assert provider.logs(watched, 10) == ["hello", '{"rows": 3}', "{broken"]


def test_cloud_runs_own_complaint_is_among_the_last_lines(cloud: LocalGoogle) -> None:
    eats = ["python", "-c", "print('begun'); kept = [bytearray(b'x' * 1000000) for _ in range(300)]"]
    provider, launch = new_provider(), new_launch(configuration(eats, {}, job_body=job_body(memory="64Mi")))
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "ended")
    first, *more = provider.logs(watched, 10)
    assert first == "begun"
    assert any("Memory limit of 64 MiB exceeded" in line for line in more)


def test_logs_are_read_no_oftener_than_google_allows(cloud: LocalGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "READS", 3)
    provider, launch = new_provider(), new_launch(configuration(["sh", "-c", "echo here; sleep 60"], {}))
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "running")
    for _ in range(10):
        provider.output_since(watched, 0)
    assert cloud.journal.count("logging.entries.list") == 3
    provider.stop(watched, 0)
    until(provider, watched, "ended")
    with pytest.raises(Unreachable, match="too often"):
        provider.output_since(watched, 0)
    with pytest.raises(Unreachable, match="too often"):
        provider.logs(watched, 5)


def test_logs_outlive_a_deleted_execution(cloud: LocalGoogle) -> None:
    provider, launch = new_provider(), new_launch(configuration(["sh", "-c", "echo gone"], {}))
    handle = provider.launch(launch)
    until(provider, watch(launch, handle), "ended")
    provider.logs(watch(launch, handle), 5)
    cloud.run.executions_delete({"name": handle}, {}, {})
    assert provider.logs(watch(launch, handle), 5) == ["gone"]


@pytest.mark.parametrize("wanted", ["severity >> ERROR", "log_id(", '(resource.type="x"', "resource.type", "a=b c=d"])
def test_the_local_log_refuses_filters_that_it_does_not_understand(wanted: str) -> None:
    with pytest.raises(ApiError):
        parse(wanted)


def test_reads_are_counted_by_project() -> None:
    reads = output.Reads()
    assert [reads.take(PROJECT) for _ in range(output.READS + 1)] == [True] * output.READS + [False]
    assert reads.take("another")


def test_a_page_full_of_what_is_known_is_not_the_end(cloud: LocalGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last millisecond that was read is read again: here it fills the page but for one later line."""
    monkeypatch.setattr(output, "PAGE", 40)
    provider, launch = new_provider(), new_launch(configuration(["true"], {}))
    watched = watch(launch, provider.launch(launch))
    until(provider, watched, "ended")
    (container,) = [each for each in cloud.containers.all.values() if str(launch.attempt_id) in each.env.values()]
    at = container.started_at
    assert at
    container.lines[:] = [(at, f"early {n}") for n in range(38)]
    first, offset = provider.output_since(watched, 0)
    assert len(first) == 38
    container.lines += [(at + timedelta(milliseconds=40 + n), f"late {n}") for n in range(3)]
    wait_for(lambda: datetime.now(UTC), lambda now: now > container.lines[-1][0], 5)
    assert [line for _, line in provider.output_since(watched, offset)[0]] == ["late 0", "late 1", "late 2"]
