"""The local Azure Functions: worker processes that load the function app, and what the host does with the triggers
that they declare: ticks, delivers events, and beside this module polls queues and passes HTTP on. It goes by the app's
own host.json.

As on the Flex Consumption plan functions are scaled in groups: those with HTTP together, every other one by itself.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[2]
Binding = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an invocation."""

    kind: Literal["ok", "error", "died", "timeout"]
    value: Any = None


class Worker:
    """One process, started by its first invocation and again when it has died."""

    def __init__(self, folder: Path, env: Mapping[str, str], log: Path) -> None:
        self.folder, self.env, self.log = folder, dict(env), log
        self.starts = 0
        self.functions: list[Binding] = []
        self._lock = threading.Lock()
        self._waiting: dict[str, tuple[str, Future[Outcome]]] = {}
        """The function and its outcome, by the invocation."""
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def invoke(self, function: str, value: Any, metadata: Mapping[str, Any], timeout: float) -> Outcome:
        wanted = {"id": str(uuid.uuid4()), "function": function, "value": value, "metadata": dict(metadata)}
        future: Future[Outcome] = Future()
        with self._lock:
            if not self._ensure_started():
                return Outcome("died")
            waiting = self._waiting
            waiting[wanted["id"]] = function, future
            try:
                assert self._connection
                self._connection.send(wanted)
            except OSError:
                return Outcome("died")
        try:
            return future.result(timeout)
        except TimeoutError:
            self.kill()  # Azure ends the whole process, and all that is under way in it
            return Outcome("timeout")

    def index(self) -> list[Binding]:
        """The functions and their bindings."""
        with self._lock:
            self._ensure_started()
        return self.functions

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        process = self._process
        if process and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait(10)

    def is_busy_with(self, function: str) -> bool:
        """Whether an invocation of the function is under way."""
        return any(each == function for each, _ in list(self._waiting.values()))

    def _ensure_started(self) -> bool:
        """Whether it is there: it may be killed while it starts."""
        if self._process and self._process.poll() is None:
            return True
        self.starts += 1
        ours, theirs = socket.socketpair()
        with self.log.open("ab") as log, theirs:
            words = [
                "-W",
                "ignore",
                "-m",
                "tests.clouds.azure_functions_worker",
                str(theirs.fileno()),
                str(self.folder),
            ]
            self._process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env=self.env,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._connection = Connection(ours.detach())
        told = self._told(self._connection)
        if told["kind"] == "died":
            return False
        if told["kind"] != "functions":
            raise RuntimeError(f"The function app does not load: {told}")
        self.functions = told["functions"]
        self._waiting = {}
        threading.Thread(target=self._listen, args=(self._connection, self._waiting), daemon=True).start()
        return True

    @staticmethod
    def _told(connection: Connection) -> dict[str, Any]:
        try:
            told: dict[str, Any] = connection.recv()
        except EOFError:
            return {"kind": "died"}
        return told

    def _listen(self, connection: Connection, waiting: dict[str, tuple[str, Future[Outcome]]]) -> None:
        while True:
            try:
                told = connection.recv()
            except (EOFError, OSError):
                break
            _, future = waiting.pop(told["id"], (None, None))
            if future:
                kind: Literal["ok", "error"] = "error" if "error" in told else "ok"
                future.set_result(Outcome(kind, told.get("error") or told.get("answer")))
        with self._lock:  # nobody waits for it any more from here on
            if self._waiting is waiting:
                self._waiting = {}
        for _, future in list(waiting.values()):
            future.set_result(Outcome("died"))

    def close(self) -> None:
        self.kill()


class Group:
    """Functions that are scaled together: up to so many workers, each with so many invocations at a time."""

    def __init__(self, name: str, workers: list[Worker], concurrency: int) -> None:
        self.name, self.workers = name, workers
        self.outcomes: list[tuple[str, Outcome]] = []
        self._free: queue.Queue[Worker] = queue.Queue()
        for _ in range(concurrency):
            for each in workers:
                self._free.put(each)

    def invoke(self, function: str, value: Any, metadata: Mapping[str, Any], timeout: float) -> Outcome:
        with self._worker() as worker:
            outcome = worker.invoke(function, value, metadata, timeout)
        self.outcomes.append((function, outcome))
        return outcome

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        worker = self._free.get()
        try:
            yield worker
        finally:
            self._free.put(worker)


class FunctionApp:
    """The app in a folder with host.json and function_app.py, as it is deployed."""

    def __init__(
        self, folder: Path, env: Mapping[str, str], logs: Path, *, most: Mapping[str, int] | None = None
    ) -> None:
        """`most`: workers by group, where it is not one."""
        self.folder, self.logs = folder, logs
        self.settings: dict[str, Any] = json.loads((folder / "host.json").read_text())
        kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(logs)}
        self.env = {**kept, **env}
        first = Worker(folder, self.env, logs / "index.log")
        self.functions = {each["name"]: _trigger(each) for each in first.index()}
        first.close()
        self.timeout = seconds_of(self.settings["functionTimeout"])
        self.groups: dict[str, Group] = {}
        for name, binding in self.functions.items():
            group = "http" if binding["type"] == "httpTrigger" else name
            if group not in self.groups:
                count = (most or {}).get(group, 1)
                workers = [Worker(folder, self.env, logs / f"{group}.log") for _ in range(count)]
                at_once = self.queue_settings["batchSize"] if binding["type"] == "queueTrigger" else 4
                self.groups[group] = Group(group, workers, at_once)

    @property
    def queue_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.settings["extensions"]["queues"]
        return settings

    def group_of(self, function: str) -> Group:
        return self.groups.get(function) or self.groups["http"]

    def triggered(self, kind: str) -> dict[str, Binding]:
        return {name: each for name, each in self.functions.items() if each["type"] == kind}

    def invoke(self, function: str, value: Any, metadata: Mapping[str, Any] | None = None) -> Outcome:
        return self.group_of(function).invoke(function, value, metadata or {}, self.timeout)

    def tick(self) -> list[Outcome]:
        """All timers."""
        told = json.dumps({"IsPastDue": False, "Schedule": {}, "ScheduleStatus": {}})
        return [self.invoke(name, told) for name in self.triggered("timerTrigger")]

    def deliver(self, event: Mapping[str, Any]) -> None:
        """As Event Grid: again until it is taken, some times."""
        for name in self.triggered("eventGridTrigger"):
            for pause in (0.2, 0.5, 0):
                if self.invoke(name, json.dumps(event)).kind == "ok":
                    break
                time.sleep(pause)

    def lines(self) -> list[dict[str, Any]]:
        """What the functions logged as JSON."""
        text = "\n".join(path.read_text() for path in sorted(self.logs.glob("*.log")))
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def metric(self, name: str) -> list[float]:
        """Every value of a metric."""
        values: list[float] = []
        for line in self.lines():
            told = line.get("metrics", {}).get(name, [])
            values += told if isinstance(told, list) else [told]
        return values

    def close(self) -> None:
        for group in self.groups.values():
            for each in group.workers:
                each.close()


def _trigger(function: Binding) -> Binding:
    (found,) = (each for each in function["bindings"] if each["type"].endswith("Trigger"))
    return dict(found)


def seconds_of(text: str) -> float:
    """Of `hh:mm:ss`."""
    hours, minutes, seconds = (int(each) for each in text.split(":"))
    return hours * 3600.0 + minutes * 60 + seconds
