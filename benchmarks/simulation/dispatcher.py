"""A dispatcher as a process of its own, over a provider whose calls take a given time: told to begin by a line on its
stdin, it dispatches until nothing is due and then says what it did, as JSON.

`--timed` also says what each step took.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from skylift import dispatch as dispatching
from skylift import launching
from skylift.freezing import freeze_all
from skylift.parts import Parts
from skylift.provider import Launch
from skylift.registry import Providers
from skylift.security.sealing import Sealer
from skylift.settings import Settings
from skylift.store import Store, due
from tests.support.cloud import Cloud
from tests.support.installation import KEY

CLAIM = "_claim"
Samples = dict[str, list[tuple[int, float, float]]]
"""Of each step: runs in the batch, CPU seconds, seconds."""


class SlowCloud(Cloud):
    """Whose calls take a while."""

    seconds = 0.0

    def launch(self, launch: Launch) -> str:
        time.sleep(self.seconds)
        return super().launch(launch)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("latency", type=float)
    parser.add_argument("turn", type=int, help="the pool to begin with")
    parser.add_argument("--timed", action="store_true")
    asked = parser.parse_args()
    cloud = SlowCloud()
    cloud.seconds = asked.latency
    store = Store(asked.url, pool_size=20)
    parts = Parts(Settings(), store, Providers({cloud.type: cloud}), Sealer(KEY))
    samples: Samples = _timed(store) if asked.timed else {}
    with store.reading() as tx:
        tx.now  # noqa: B018 - connect
    print("ready", flush=True)
    sys.stdin.readline()
    cpu, launched = time.process_time(), 0
    while pools := _pools(parts):
        first = asked.turn % len(pools)
        for pool in pools[first:] + pools[:first]:
            launched += dispatching.dispatch(parts, pool).launched
    print(json.dumps({"launched": launched, "cpu": time.process_time() - cpu, "samples": samples}), flush=True)
    store.close()


def _pools(parts: Parts) -> list[Any]:
    with parts.store.reading() as tx:
        return sorted(due.pools_with_due_runs(tx))


def _timed(store: Store) -> Samples:
    """Have the steps write down what they take."""
    samples: Samples = defaultdict(list)
    lock = threading.Lock()

    def timed(name: str, work: Callable[..., Any], size: Callable[[Any, Any], int]) -> Callable[..., Any]:
        def measured(*args: Any, **named: Any) -> Any:
            cpu, began = time.thread_time(), time.perf_counter()
            result = work(*args, **named)
            with lock:
                samples[name].append((size(args, result), time.thread_time() - cpu, time.perf_counter() - began))
            return result

        return measured

    plain = store.transaction
    record = timed("record", plain, lambda args, _: len(args[1]))

    def transaction(work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        return (record if work is launching.record else plain)(work, *args, **named)

    claim = timed("claim", getattr(dispatching, CLAIM), lambda _, result: len(result.attempts))
    patch.object(store, "transaction", transaction).start()
    patch.object(dispatching, CLAIM, claim).start()
    patch.object(dispatching, "freeze_all", timed("freeze", freeze_all, lambda args, _: len(args[1]))).start()
    patch.object(launching, "call", timed("launch", launching.call, lambda *_: 1)).start()
    return samples


if __name__ == "__main__":
    main()
