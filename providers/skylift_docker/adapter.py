"""The `docker:push` provider: each attempt is a container of the engine that the operator names.

Nothing is kept here that another process of the service would need: containers are found by their labels.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from skylift.provider import (
    BusyError,
    Finding,
    Launch,
    Observation,
    ProviderError,
    Quota,
    Rejected,
    Unreachable,
    Watched,
)
from skylift_docker import check, launching, observing, output, request
from skylift_docker.client import Bounds, Engine
from skylift_docker.engines import Address, address_of
from skylift_docker.errors import answer_of, is_missing, is_running, to_error
from skylift_docker.images import Pulls
from skylift_docker.launching import Found, chosen, found

PULL_SHARE = 0.7
"""How much of a launch's time may be spent on waiting for the image."""
OVERTIME_GRACE = 30.0
"""Seconds between the signal and the kill of what goes beyond its time limit."""


class DockerProvider:
    """Runs flow runs as containers of one or several engines."""

    type = "docker:push"
    display_name = "Docker (push)"
    description = "Starts each flow run as a container of your own Docker or Podman engine."
    call_timeout = 45.0
    look_every = 2.0
    python = "python3"
    stops_softly = True
    remembers_stops = False

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """`environment`: where the engines' addresses stand (see engines.py)."""
        self.environment = environment
        self._engines: dict[Address, Engine] = {}
        self._lock = threading.Lock()
        self._pulls = Pulls()
        self._stopping: dict[str, float] = {}
        """By container, until when (monotonic) the engine is at a stop that we asked for: no second signal before."""

    def base_job_template(self) -> dict[str, Any]:
        text = (Path(__file__).parent / "base_job_template.json").read_text()
        template: dict[str, Any] = json.loads(text)
        return template

    def quota(self, configuration: Mapping[str, Any]) -> Quota | None:
        """None: an engine limits nothing; a pool's concurrency limit does."""
        return None

    def launch(self, launch: Launch) -> str:
        configuration = request.read_configuration(launch.configuration)
        creation = request.create_request(configuration, launch)
        attempt_id = launch.attempt_id
        began = time.monotonic()
        with _our_errors():
            engine = self._engine(configuration.engine)
            with engine.within(Bounds(launch.ensure_in_time, began + self.call_timeout)):
                launch.ensure_in_time()
                if not launching.of_attempt(engine, attempt_id):
                    self._pulls.ensure(engine, configuration, began + self.call_timeout * PULL_SHARE)
                try:
                    container = launching.start_once(engine, creation, attempt_id)
                except Exception as error:
                    if isinstance(to_error(error), (BusyError, Rejected)):
                        launching.discard(engine, attempt_id)
                    raise
                return f"{engine.name}/{container}"

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        answers: dict[UUID, Observation] = {}
        problems: list[ProviderError] = []
        for name in {one.configuration.get("engine") for one in watched}:
            here = [one for one in watched if one.configuration.get("engine") == name]
            try:
                with _our_errors():
                    answers |= self._look(self._engine(name), here)
            except ProviderError as error:
                problems.append(error)
        if problems and not answers:
            raise problems[0] if isinstance(problems[0], Unreachable) else Unreachable(str(problems[0]))
        return answers

    def _look(self, engine: Engine, watched: Sequence[Watched]) -> dict[UUID, Observation]:
        by_attempt = _by_attempt(engine.containers(request.ATTEMPT_LABEL))
        answers = {}
        for one in watched:
            if _is_elsewhere(engine, one):
                continue  # DOCKER_HOST names another machine than when it was launched: not gone, but not seen
            container = chosen(by_attempt.get(one.attempt_id, []))
            answers[one.attempt_id] = self._observed(engine, one, container) if container else Observation("gone")
        return answers

    def _observed(self, engine: Engine, watched: Watched, container: Found) -> Observation:
        handle = f"{engine.name}/{container.id}"
        limit = watched.configuration.get("timeout_seconds")
        timeout = float(limit) if limit else None
        seen = observing.unended(handle, container.state)
        if seen and not (timeout and seen.phase == "running"):
            return seen
        try:
            known = engine.inspect(container.id)
        except Exception as error:
            if is_missing(error):
                return Observation("gone")
            raise
        if not seen:
            return observing.ended(handle, known, timeout)
        if timeout and observing.is_overdue(known, timeout, datetime.now(UTC)):
            self._stop(engine, container.id, OVERTIME_GRACE)
        return seen

    def stop(self, watched: Watched, grace: float) -> None:
        for engine, container in self._found(watched):
            if not container.is_unstarted:
                self._stop(engine, container.id, grace)
                continue
            try:
                engine.remove(container.id)  # what is not there cannot be started
            except Exception as error:
                if is_running(error):
                    self._stop(engine, container.id, grace)
                elif not is_missing(error):
                    raise

    def _stop(self, engine: Engine, container: str, grace: float) -> None:
        now = time.monotonic()
        self._stopping = {each: until for each, until in self._stopping.items() if until > now}
        until = now + grace
        if self._stopping.get(container, math.inf) <= until:
            return
        try:
            engine.stop(container, math.ceil(grace))
        except Exception as error:
            if not is_missing(error):
                raise
        self._stopping[container] = until

    def logs(self, watched: Watched, last: int) -> list[str]:
        for engine, container in self._found(watched):
            with _no_logs_to_read():
                # All of it: asked for the last lines, Podman mixes those of stdout and stderr up.
                return output.last_lines(engine.log_frames(container.id), last)
        return []

    def output_since(self, watched: Watched, offset: int) -> tuple[list[tuple[datetime, str]], int]:
        """See `skylift.provider.ForwardsOutput`; one call returns about a million characters at most."""
        for engine, container in self._found(watched):
            is_over = not container.is_unstarted and not observing.unended("", container.state)
            since = output.Offset.read(offset).second - 1
            with _no_logs_to_read():
                pieces = engine.log_frames(container.id, since if since > 0 else None)
                return output.read_on(pieces, offset, is_over=is_over)
        return [], offset

    def cleanup(self, watched: Watched) -> None:
        with _our_errors():
            engine = self._engine(watched.configuration.get("engine"))
            if _is_elsewhere(engine, watched):
                raise Unreachable(f"The attempt {watched.attempt_id} was launched on another engine ({watched.handle})")
            for each in launching.of_attempt(engine, watched.attempt_id):
                try:
                    engine.remove(each.id)
                except Exception as error:
                    if is_running(error):
                        raise Unreachable(f"The container {each.name} has not ended yet") from error
                    if not is_missing(error):
                        raise

    def list_attempts(self, installation_id: UUID, configuration: Mapping[str, Any]) -> Sequence[Watched]:
        """See `skylift.provider.FindsStrays`."""
        place = {"engine": configuration.get("engine")}
        with _our_errors():
            engine = self._engine(place["engine"])
            listed = _by_attempt(engine.containers(f"{request.INSTALLATION_LABEL}={installation_id}"))
            handles = {key: f"{engine.name}/{one.id}" for key, each in listed.items() if (one := chosen(each))}
            return [Watched(attempt_id, handle, place) for attempt_id, handle in handles.items()]

    def check(self, configuration: Mapping[str, Any]) -> Sequence[Finding]:
        """See `skylift.provider.Checks`."""
        return check.check(self._engine, configuration)

    def _engine(self, name: str | None) -> Engine:
        address = address_of(name, self.environment)
        with self._lock:
            return self._engines.setdefault(address, Engine(address))

    def _found(self, watched: Watched) -> Iterator[tuple[Engine, Found]]:
        """The attempt's container, if there is one, and where. Errors of what is done with it become ours."""
        with _our_errors():
            engine = self._engine(watched.configuration.get("engine"))
            if not _is_elsewhere(engine, watched):
                container = chosen(launching.of_attempt(engine, watched.attempt_id))
                if container:
                    yield engine, container


def _by_attempt(summaries: Iterable[Mapping[str, Any]]) -> dict[UUID, list[Found]]:
    listed: dict[UUID, list[Found]] = {}
    for container in map(found, summaries):
        try:
            attempt_id = UUID(container.labels.get(request.ATTEMPT_LABEL, ""))
        except ValueError:
            continue  # somebody else's label of the same name
        listed.setdefault(attempt_id, []).append(container)
    return listed


def _is_elsewhere(engine: Engine, watched: Watched) -> bool:
    return watched.handle is not None and watched.handle.rpartition("/")[0] != engine.name


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        known = to_error(error)
        if known is error:
            raise
        raise known from error


@contextmanager
def _no_logs_to_read() -> Iterator[None]:
    """Where the container is gone meanwhile, or its log driver only writes."""
    try:
        yield
    except Exception as error:
        words = answer_of(error)[1] or ""
        if not is_missing(error) and not re.search("does not support reading|log driver", words):
            raise
