"""An image is on the engine before a container is made of it.

A pull may take longer than a launch may. So it runs beside: a launch that has waited long enough says "come back
later", and a later one finds the image there, or the same pull still under way.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedLongEnough
from typing import Any

from skylift.provider import BusyError, ProviderError
from skylift_docker.client import Engine
from skylift_docker.errors import classify, is_missing, to_error
from skylift_docker.request import Configuration, auth_for, pull_policy

COME_BACK = 10.0

Key = tuple[str, str, str | None]


class Pulls:
    """Those under way in this process; one for each image, however many launches wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Key, Future[None]] = {}

    def ensure(self, engine: Engine, configuration: Configuration, until: float) -> None:
        """Have the image there, by the configuration's policy. `until`: `time.monotonic()`.

        Raises `BusyError` while it is still being pulled, and what the pull ended with.
        """
        policy = pull_policy(configuration)
        if policy == "Never" or (policy == "IfNotPresent" and is_there(engine, configuration)):
            return
        pull = self._pull(engine, configuration)
        try:
            pull.result(max(0.0, until - time.monotonic()))
        except WaitedLongEnough:
            raise BusyError(
                f"The image {configuration.image} is still being pulled",
                retry_after=COME_BACK,
                remedy="It goes on by itself; pull large images beforehand (docker pull)",
            ) from None
        except ProviderError:
            if policy != "IfPossible" or not is_there(engine, configuration):
                raise

    def _pull(self, engine: Engine, configuration: Configuration) -> Future[None]:
        key = (engine.address.url, configuration.image, configuration.platform)
        with self._lock:
            running = self._running.get(key)
            if running:
                return running
            made = self._running[key] = Future()
        threading.Thread(target=self._run, args=(key, made, engine, configuration), daemon=True).start()
        return made

    def _run(self, key: Key, future: Future[None], engine: Engine, configuration: Configuration) -> None:
        error: Exception | None = None
        try:
            pull(engine, configuration)
        except Exception as raised:
            error = to_error(raised)
        with self._lock:
            del self._running[key]
        if error:
            future.set_exception(error)
        else:
            future.set_result(None)


def pull(engine: Engine, configuration: Configuration) -> None:
    """Until it is there. Raises what the engine or the registry says."""
    auth = auth_for(configuration.image, configuration.registry_credentials)
    for line in engine.pull(configuration.image, auth, configuration.platform):
        if "error" in line:
            raise classify(None, str(line["error"]))


def is_there(engine: Engine, configuration: Configuration) -> bool:
    """Whether the engine has the image, for the platform that is asked for."""
    try:
        image = engine.image(configuration.image)
    except Exception as error:
        if is_missing(error):
            return False
        raise
    return fits(image, configuration.platform)


def fits(image: dict[str, Any], platform: str | None) -> bool:
    """Whether an image is of a platform: os[/architecture[/variant]]."""
    if not platform:
        return True
    wanted = platform.lower().split("/")
    has = [str(image.get(key) or "").lower() for key in ("Os", "Architecture", "Variant")]
    return all(not there or mine == there for mine, there in zip(wanted, has, strict=False))
