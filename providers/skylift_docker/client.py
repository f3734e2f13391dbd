"""A typed façade over docker-py: the calls that this provider makes, each with a time limit.

`OPERATIONS` declares them. Engines know no permissions of their own, but proxies before a socket and authorization
plugins do, and a local engine in the tests refuses whatever is not declared here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from skylift.extras import sdk
from skylift.provider import Rejected, Unreachable
from skylift_docker.engines import Address

OPERATIONS: Mapping[str, tuple[str, str]] = {
    "Version": ("GET", "/version"),
    "Info": ("GET", "/info"),
    "ContainerList": ("GET", "/containers/json"),
    "ContainerInspect": ("GET", "/containers/{id}/json"),
    "ContainerLogs": ("GET", "/containers/{id}/logs"),
    "ContainerCreate": ("POST", "/containers/create"),
    "ContainerRename": ("POST", "/containers/{id}/rename"),
    "ContainerStart": ("POST", "/containers/{id}/start"),
    "ContainerStop": ("POST", "/containers/{id}/stop"),
    "ContainerDelete": ("DELETE", "/containers/{id}"),
    "PutContainerArchive": ("PUT", "/containers/{id}/archive"),
    "ImageInspect": ("GET", "/images/{name}/json"),
    "ImageCreate": ("POST", "/images/create"),
    "DistributionInspect": ("GET", "/distribution/{name}/json"),
    "NetworkInspect": ("GET", "/networks/{id}"),
    "NetworkConnect": ("POST", "/networks/{id}/connect"),
}
"""Docker's names of what is called: method and path, below /v1.NN."""
HTTP_TIMEOUT = 15.0
"""Seconds for one answer: under a third of a lease."""
PULL_SILENCE = 300.0
"""Seconds that a pull may say nothing of its progress."""
STOP_PATIENCE = 0.5
"""Seconds to wait for the answer to a stop, which comes only when the container has ended; the engine goes on."""
CONNECTIONS = 32
LOG_CHUNK = 65536

Piece = tuple[int, bytes]
"""Of a container's output: 1 (stdout) or 2 (stderr), and (a part of) a line with its instant in front."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds for the calls of one thread just now."""

    ensure: Callable[[], None] = lambda: None
    """Called last before whatever changes something is sent; raises where it must not be any more."""
    until: float = float("inf")
    """`time.monotonic()`"""
    timeout: float = HTTP_TIMEOUT


class Engine:
    """One engine at one address. Raises what docker-py and requests raise (see errors.py), and `Unreachable` where
    `within` has no time left."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._bounds = threading.local()

    @cached_property
    def _client(self) -> Any:
        docker = sdk("docker", extra="docker")
        where = self.address.certificates
        pair = (f"{where}/cert.pem", f"{where}/key.pem")
        tls = docker.tls.TLSConfig(client_cert=pair, ca_cert=f"{where}/ca.pem", verify=True) if where else False
        client = docker.DockerClient(
            base_url=self.address.url, version="auto", timeout=HTTP_TIMEOUT, tls=tls, max_pool_size=CONNECTIONS
        )
        send = client.api.send
        client.api.send = lambda request, **options: send(self._check(request), **self._limited(options))
        return client

    @property
    def _api(self) -> Any:
        return self._client.api

    # -- bounds -------------------------------------------------------------------------------------------------------

    @contextmanager
    def within(self, bounds: Bounds) -> Iterator[None]:
        """Of all calls that this thread makes inside."""
        before = self._now
        self._bounds.now = bounds
        try:
            yield
        finally:
            self._bounds.now = before

    @property
    def _now(self) -> Bounds:
        return getattr(self._bounds, "now", Bounds())

    def _check(self, request: Any) -> Any:
        """The last hook before a request goes out."""
        if request.method != "GET":
            self._now.ensure()
        return request

    def _limited(self, options: dict[str, Any]) -> dict[str, Any]:
        left = self._now.until - time.monotonic()
        if left <= 0:
            raise Unreachable("The container engine takes too long to answer")
        return {**options, "timeout": min(self._now.timeout, left)}

    # -- the engine ---------------------------------------------------------------------------------------------------

    @cached_property
    def name(self) -> str:
        """Its machine's: what tells engines apart, whatever address they are reached at."""
        return str(self.info()["Name"])

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = self._api.info()
        return found

    def version(self) -> dict[str, Any]:
        found: dict[str, Any] = self._api.version()
        return found

    # -- containers ---------------------------------------------------------------------------------------------------

    def containers(self, label: str) -> list[dict[str, Any]]:
        """All with this label (`name` or `name=value`), whether they run or not."""
        found: list[dict[str, Any]] = self._api.containers(all=True, filters={"label": [label]})
        return found

    def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = self._api.inspect_container(container)
        return found

    def create(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Raises `Rejected` for arguments that docker-py does not understand."""
        docker, requests = sdk("docker.errors", extra="docker"), sdk("requests", extra="docker")
        try:
            self._client.containers.create(name=name, **arguments)
        except (TypeError, ValueError, docker.InvalidArgument, docker.InvalidVersion) as error:
            if isinstance(error, requests.RequestException):
                raise
            raise Rejected(
                f"The container cannot be described to the engine: {error}",
                remedy="Correct 'container_create_kwargs', or update the engine",
            ) from error

    def put_archive(self, container: str, archive: bytes) -> None:
        """Unpacked at the root of the container's file system."""
        self._api.put_archive(container, "/", archive)

    def connect(self, container: str, network: str) -> None:
        self._api.connect_container_to_network(container, network)

    def rename(self, container: str, name: str) -> None:
        self._api.rename(container, name)

    def start(self, container: str) -> None:
        self._api.start(container)

    def stop(self, container: str, grace: int) -> None:
        """The engine signals at once, and kills after `grace` seconds; it does so without us, too."""
        requests = sdk("requests", extra="docker")
        with self.within(Bounds(timeout=STOP_PATIENCE)), suppress(requests.exceptions.ReadTimeout):
            self._api.stop(container, timeout=grace)

    def remove(self, container: str) -> None:
        """With its anonymous volumes; the engine refuses that for one that runs."""
        self._api.remove_container(container, v=True)

    def log_frames(self, container: str, since: int | None = None) -> Iterator[Piece]:
        """What the container wrote, in the order in which it came."""
        asked: dict[str, Any] = {"stdout": 1, "stderr": 1, "timestamps": 1}
        if since:
            asked["since"] = since
        url = f"{self._api.base_url}/v{self._api.api_version}/containers/{quote(container, safe='')}/logs"
        with self._api.get(url, params=asked, stream=True) as answer:
            if answer.status_code >= 400:
                _ = answer.content  # while the connection is open: the words of the refusal are in it
                answer.raise_for_status()
            yield from _frames(answer.iter_content(LOG_CHUNK))

    # -- images and networks ------------------------------------------------------------------------------------------

    def image(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._api.inspect_image(name)
        return found

    def pull(self, image: str, auth: Mapping[str, str] | None, platform: str | None) -> Iterator[dict[str, Any]]:
        """Progress, as it is told; an `error` among it is the last word."""
        with self.within(Bounds(timeout=PULL_SILENCE)):
            yield from self._api.pull(image, stream=True, decode=True, auth_config=auth, platform=platform)

    def distribution(self, image: str, auth: Mapping[str, str] | None) -> dict[str, Any]:
        """What the image's registry says of it."""
        found: dict[str, Any] = self._api.inspect_distribution(image, auth_config=auth)
        return found

    def network(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._api.inspect_network(name)
        return found


def _frames(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """Taken apart: eight bytes of header, the first of them the stream, the last four the length of what follows."""
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= 8 and len(buffer) >= (end := 8 + int.from_bytes(buffer[4:8], "big")):
            yield buffer[0], buffer[8:end]
            buffer = buffer[end:]
