"""Flows as users write them, each for something else that Prefect's engine can do. Every public flow here is played:
see `play.py`. Only Prefect's own interpreter can import this module."""
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from prefect import allow_failure, flow, get_run_logger, runtime, tags, task, unmapped
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import INPUTS
from prefect.concurrency.sync import concurrency, rate_limit
from prefect.flow_runs import pause_flow_run, suspend_flow_run
from prefect.futures import as_completed
from prefect.input import RunInput
from prefect.states import Completed, Failed
from prefect.tasks import exponential_backoff
from prefect.transactions import transaction
from prefect.variables import Variable
from pydantic import BaseModel

tried: list[int] = []
"""What this process has tried: retries happen in it."""


def fail_until(attempt: int) -> None:
    tried.append(1)
    if len(tried) < attempt:
        raise RuntimeError(f"attempt {len(tried)} fails")


@task
def double(x: int) -> int:
    get_run_logger().info("doubling %s", x)
    return 2 * x


@task
def add(x: int, y: int) -> int:
    return x + y


@task
def broken(message: str = "broken on purpose") -> None:
    raise ValueError(message)


# -- tasks ------------------------------------------------------------------------------------------------------------


@flow(log_prints=True)
def chained_tasks() -> int:
    total = add(double(1), double(2))
    print("in all", total)
    return total


@flow
def mapped_tasks() -> list[int]:
    return [each.result() for each in add.map([1, 2, 3, 4, 5], unmapped(10))]


@flow
def maps_over_many() -> int:
    return sum(each.result() for each in add.map(range(60), 1))


@flow
def waits_for_futures() -> str:
    first = double.submit(1)
    bad = broken.submit()
    after = add.submit(first, 1, wait_for=[first])
    inspected = inspect.submit(allow_failure(bad), wait_for=[after])
    never = add.submit(bad, 1)
    never.wait()
    for each in as_completed([first, after]):
        each.result()
    return f"{inspected.result()}, {never.state.name}"


@task
def inspect(what: Any) -> str:
    return type(what).__name__


@task(retries=2, retry_delay_seconds=[0.1, 0.3])
def flaky() -> str:
    fail_until(3)
    return "at last"


@flow
def retries_a_task() -> str:
    return flaky()


@task(retries=3, retry_delay_seconds=exponential_backoff(backoff_factor=0.1), retry_condition_fn=lambda *_: False)
def not_worth_a_retry() -> None:
    raise ValueError("never again")


@flow
def retries_only_where_asked() -> str:
    return str(not_worth_a_retry(return_state=True).name)


@task(timeout_seconds=0.5)
def too_slow() -> None:
    time.sleep(10)


@flow
def a_task_times_out() -> str:
    return str(too_slow(return_state=True).name)


@flow
def a_task_fails() -> None:
    double(1)
    broken()


@task(tags=["of-the-task"])
def tagged() -> list[str]:
    return sorted(runtime.task_run.tags)


@flow(log_prints=True)
def uses_tags() -> None:
    with tags("around", "both"):
        print("tagged", tagged())


@task(task_run_name="adding {x} to {y}")
def named(x: int, y: int) -> int:
    return x + y


@flow(flow_run_name="named for {who}")
def custom_names(who: str = "you") -> int:
    return named(1, 2)


@task
def counts(to: int) -> Iterator[int]:
    yield from range(to)


@flow(log_prints=True)
def generators() -> Iterator[int]:
    for number in counts(3):
        print("got", number)
        yield number * 10


# -- flows ------------------------------------------------------------------------------------------------------------


@flow(retries=1, retry_delay_seconds=1)
def retries_a_flow() -> None:
    double(len(tried))
    fail_until(2)


@flow(retries=2, retry_delay_seconds=0.5)
def retries_a_flow_soon() -> str:
    fail_until(3)
    return "at last"


@flow(retries=1)
def retries_in_vain() -> None:
    fail_until(9)


@flow
def fails() -> None:
    raise KeyError("no such thing")


@flow(timeout_seconds=1)
def times_out() -> None:
    for _ in range(100):
        time.sleep(0.1)


@flow
def below(n: int) -> int:
    return double(n)


@flow
def further_below(n: int) -> int:
    return below(n) + below(n + 1)


@flow
def with_subflow() -> int:
    return below(4)


@flow
def with_nested_subflows() -> int:
    return further_below(1)


@flow
def raises() -> None:
    raise LookupError("from below")


@flow
def a_subflow_raises() -> None:
    raises()


@flow
def a_subflow_may_fail() -> str:
    return f"{raises(return_state=True).name}, and on"


@flow(retries=1)
def retries_above_a_subflow() -> None:
    below(1)
    fail_until(2)


@task
async def add_later(x: int, y: int) -> int:
    await asyncio.sleep(0.05)
    return x + y


@flow
async def async_below(n: int) -> int:
    return await add_later(n, 1)


@flow
async def runs_async() -> int:
    both = await asyncio.gather(add_later(1, 2), add_later(3, 4))
    return sum(both) + sum(await asyncio.gather(async_below(1), async_below(2)))


@flow
def returns_a_named_state() -> Any:
    return Completed(message="all is well", name="Fine")


@flow
def returns_a_failed_state() -> Any:
    return Failed(message="not today")


@flow
def returns_states_of_tasks() -> Any:
    return [double(1, return_state=True), broken(return_state=True)]


class Order(BaseModel):
    item: str
    count: int = 1
    due: date


@flow(log_prints=True)
def typed_parameters(order: Order | None = None, pause: timedelta = timedelta(seconds=1)) -> None:
    print(order, pause.total_seconds())


@flow
def wrong_parameters(count: int) -> int:
    return count


@flow
def logs_at_all_levels() -> None:
    logger = get_run_logger()
    for level in (10, 20, 30, 40, 50):
        logger.log(level, "at %s", level)
    logger.info("two\nlines, and ünïcödé")
    try:
        raise OSError("caught")
    except OSError:
        logger.exception("with its traceback")


# -- results ----------------------------------------------------------------------------------------------------------


@task(cache_policy=INPUTS, cache_expiration=timedelta(hours=1), persist_result=True)
def costly(n: int) -> int:
    get_run_logger().info("computing %s", n)
    return n * n


@flow
def caches() -> list[int]:
    return [costly(2), costly(2), costly(3)]


@flow(persist_result=True)
def keeps_its_result() -> dict[str, int]:
    return {"answer": 42}


@task
def write(mark: str) -> None:
    get_run_logger().info("writing %s", mark)


@write.on_rollback
def unwrite(transaction: Any) -> None:
    print("taking back", transaction.get("mark"))


@write.on_commit
def written(transaction: Any) -> None:
    print("for good")


@flow(log_prints=True)
def rolls_back() -> None:
    with transaction() as this:
        this.set("mark", "one")
        write("one")
        broken("spoils it")


@flow(log_prints=True)
def commits() -> None:
    with transaction():
        write("one")
        write("two")


# -- what it shares with others ---------------------------------------------------------------------------------------


@task
def reports() -> None:
    create_markdown_artifact("# Of a task", key="suite-of-a-task")


@flow
def makes_artifacts() -> None:
    reports()
    create_link_artifact("https://example.com/", key="suite-link", link_text="there", description="a link")
    create_table_artifact([{"a": 1, "b": 2}], key="suite-table")
    progress = create_progress_artifact(10.0, key="suite-progress")
    update_progress_artifact(progress, 70.0)


@flow(log_prints=True)
def uses_variables() -> None:
    print("not there:", Variable.get("suite_none", default="nothing"))
    Variable.set("suite_colour", {"red": 1}, tags=["suite"])
    print("read:", Variable.get("suite_colour"))
    Variable.set("suite_colour", "blue", overwrite=True)
    print("again:", Variable.get("suite_colour"))
    print("gone:", Variable.unset("suite_colour"))


@task
def guarded(n: int) -> int:
    with concurrency("suite-limit", occupy=1):
        time.sleep(0.1)
    return n


@flow
def takes_slots() -> int:
    return sum(each.result() for each in guarded.map([1, 2, 3]))


@flow(log_prints=True)
def is_rate_limited() -> None:
    begun = time.monotonic()
    for _ in range(4):
        rate_limit("suite-rate")
    print("held back:", time.monotonic() - begun > 0.3)


@task(tags=["suite-tag"])
def one_at_a_time(n: int) -> int:
    time.sleep(0.1)
    return n


@flow
def limits_by_tag() -> int:
    return sum(each.result() for each in one_at_a_time.map([1, 2, 3]))


# -- hooks ------------------------------------------------------------------------------------------------------------


def say(flow: Any, flow_run: Any, state: Any) -> None:
    print("hook:", state.name)


def say_of_task(task: Any, task_run: Any, state: Any) -> None:
    print("task hook:", state.name)


def share(flow: Any, flow_run: Any, state: Any) -> None:
    """Uses the API after the run's own end."""
    Variable.set("suite_of_a_hook", flow_run.name, overwrite=True)
    create_markdown_artifact(f"# {Variable.get('suite_of_a_hook')}", key="suite-of-a-hook")
    print("hook read:", Variable.get("suite_of_a_hook"))


@task(on_completion=[say_of_task], on_running=[say_of_task])
def watched() -> None:
    pass


@flow(on_running=[say], on_completion=[say, share], log_prints=True)
def hooks_at_completion() -> None:
    watched()


@task(on_failure=[say_of_task])
def watched_and_broken() -> None:
    raise ValueError("broken on purpose")


@flow(on_failure=[say, share], on_completion=[say], log_prints=True)
def hooks_at_failure() -> None:
    watched_and_broken()


# -- pauses, and ends that others bring about -------------------------------------------------------------------------


class Approval(RunInput):
    approved: bool
    note: str = "none"


@flow(log_prints=True)
def pauses_for_input() -> None:
    answer = pause_flow_run(wait_for_input=Approval, timeout=60, poll_interval=1)
    print("answered:", answer.approved, answer.note)


@flow
def pauses_too_long() -> None:
    pause_flow_run(timeout=2, poll_interval=1)


@flow(log_prints=True)
def suspends() -> None:
    print("first half of the work")
    suspend_flow_run(timeout=120, key="once")
    print("second half")


def mark(flow: Any, flow_run: Any, state: Any) -> None:
    Path(flow_run.parameters["marks"], flow_run.name).write_text(state.name)


@flow(on_cancellation=[mark])
def is_cancelled(marks: str) -> None:
    double(1)
    go_on_forever(marks, "is_cancelled")


def go_on_forever(marks: str, name: str) -> None:
    Path(marks, f"{name}.started").touch()
    while True:
        time.sleep(0.1)


@flow
def slow_below(marks: str) -> None:
    go_on_forever(marks, "is_cancelled_in_a_subflow")


@flow(on_cancellation=[mark])
def is_cancelled_in_a_subflow(marks: str) -> None:
    slow_below(marks)


@flow(on_crashed=[mark])
def exits_at_once(marks: str) -> None:
    double(1)
    os._exit(3)


@flow
def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@flow(on_crashed=[say], log_prints=True)
def is_terminated() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)


@flow
def asks_to_exit() -> None:
    sys.exit(2)
