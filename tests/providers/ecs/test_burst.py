"""Many runs due at once, through the real engine and against the documented rates: nothing has to be refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from skylift.clock import SystemClock
from skylift.dispatch import dispatch
from skylift.parts import Parts
from skylift.registry import Providers
from skylift.security.sealing import Sealer
from skylift.settings import Settings
from skylift.store import Store
from skylift.wakeups import Dispatch, Wakeup
from skylift_ecs import EcsProvider
from tests.clouds.aws import LocalAws
from tests.clouds.aws_backends import Backend
from tests.clouds.containers import wait_until
from tests.clouds.ecs_quota import BUCKETS
from tests.providers.ecs.support import ALLOWED, CLUSTER, ROLE, furnish
from tests.support.installation import KEY, Installation


class Burst:
    """An installation on real time, whose dispatchers are what the service's would be."""

    def __init__(self, url: str, cloud: LocalAws) -> None:
        self.cloud = cloud
        self.installation = Installation(url)
        self.installation.store.close()
        store = Store(url, clock=SystemClock())
        self.installation.store = store
        self.installation.clock.at = datetime.now(UTC)
        self.type = EcsProvider.type
        self.url = url

    def parts(self) -> Parts:
        """Another process's: a provider that remembers nothing yet."""
        store = Store(self.url, clock=SystemClock())
        return Parts(Settings(), store, Providers({self.type: EcsProvider()}), Sealer(KEY))

    def pool(self) -> UUID:
        template = EcsProvider().base_job_template()
        defaults = {
            "aws_credentials": self.cloud.credentials,
            "cluster": CLUSTER,
            "execution_role_arn": ROLE,
            "cpu": 256,
            "memory": 512,
            "runner": False,
            "configure_cloudwatch_logs": False,
        }
        for name, value in defaults.items():
            template["variables"]["properties"][name]["default"] = value
        pool_id: UUID = self.installation.pool("cloud", type=self.type, base_job_template=template).id
        return pool_id

    def serve(self, parts: Parts, pool_id: UUID, over: threading.Event) -> None:
        """What the service does: dispatch whenever the pool wants to be woken."""
        planned: list[datetime] = []

        class Noted:
            def send(self, wakeup: Wakeup, at: datetime) -> None:
                if isinstance(wakeup, Dispatch):
                    planned.append(at)

        parts.store.wakeups = Noted()
        while not over.is_set():
            planned.clear()
            dispatch(parts, pool_id)
            at = min(planned, default=None)
            over.wait(max(0.0, (at - datetime.now(UTC)).total_seconds()) if at else 0.2)
        parts.store.close()


@pytest.fixture
def burst(ministack: Backend, sqlite_url: str) -> Iterator[Burst]:
    furnish(ministack)
    with LocalAws(ministack, allowed=ALLOWED, quotas=True) as cloud:
        made = Burst(sqlite_url, cloud)
        yield made
        made.installation.close()


def launched(burst: Burst, runs: int, dispatchers: int, patience: float) -> float:
    """Seconds from the first launch to the last."""
    pool_id = burst.pool()
    deployment = burst.installation.deployment("many", pool="cloud", job_variables={"command": "true"})
    for _ in range(runs):
        burst.installation.run(deployment.id)
    over = threading.Event()
    threads = [
        threading.Thread(target=burst.serve, args=(burst.parts(), pool_id, over), daemon=True)
        for _ in range(dispatchers)
    ]
    for each in threads:
        each.start()
    journal = burst.cloud.journal
    wait_until(lambda: journal.count("RunTask", "ok") >= runs, patience)
    over.set()
    for each in threads:
        each.join(30)
    times: list[Any] = [each.at for each in journal.calls("RunTask")]
    assert journal.count("RunTask", "ok") == runs
    return float((max(times) - min(times)).total_seconds())


def nothing_was_refused(burst: Burst) -> None:
    journal = burst.cloud.journal
    called = {each.operation for each in journal.calls()}
    assert sum(journal.count(each, "ThrottlingException") for each in called) == 0
    assert journal.count("RunTask") == journal.count("RunTask", "ok")
    assert 1 <= len(journal.calls("RegisterTaskDefinition")) <= 2


def test_forty_runs_at_once(burst: Burst) -> None:
    launched(burst, 40, 2, 30)
    nothing_was_refused(burst)
    assert wait_until(lambda: len(burst.cloud.containers.all) == 40)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_thousand_runs_at_once(burst: Burst) -> None:
    at_once, rate = BUCKETS["fargate calls"]
    bound = (1000 - at_once) / rate
    began = time.monotonic()
    took = launched(burst, 1000, 2, 200)
    print(
        f"\n1,000 launches in {took:.1f} s; the quota's own bound is {bound:.1f} s ({time.monotonic() - began:.0f} s)"
    )
    nothing_was_refused(burst)
    assert took <= bound * 1.1
    assert len(burst.cloud.tasks.all) == 1000
    assert wait_until(lambda: len(burst.cloud.containers.all) == 1000, 30)
    assert burst.cloud.journal.count("DescribeSubnets") <= 2, "no call to EC2 per run"
