"""How the suite reaches the provider of containers, and a real engine behind a proxy of ours."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest

from skylift_docker import DockerProvider
from skylift_docker.client import OPERATIONS
from skylift_docker.request import ATTEMPT_LABEL
from tests.clouds.containers import Container, Containers
from tests.clouds.engine_proxy import EngineProxy
from tests.providers.cloud_contract import CloudHarness, CloudProgram
from tests.providers.contract import Program

if TYPE_CHECKING:
    from _collections_abc import dict_values

MARKS = "/marks"
# Each start leaves its environment in a file of its own: the program's word, not the engine's.
MARK = f"env -0 > {MARKS}/$(date +%s%N)"
EATS = 'kept = [bytearray(b"x" * 10**6) for _ in range(1500)]'
SCRIPTS: Mapping[str, str] = {
    "lines": f"{MARK}; echo one; echo two; echo three",
    "fails": f"{MARK}; exit 3",
    "endless": f"trap 'exit 143' TERM; {MARK}; while :; do sleep 0.1; done",
    "stubborn": f"trap '' TERM; {MARK}; while :; do sleep 0.1; done",
    "hungry": f"{MARK}; exec python -c {shlex.quote(EATS)}",
}


def engine_url() -> str:
    """Of the engine that `make test-containers` has started."""
    if "TEST_REGISTRY" not in os.environ:
        pytest.skip("needs a container engine: make test-containers")
    return os.environ["DOCKER_HOST"]


class Marked(dict[str, Container]):
    """The starts that programs left a mark of, read anew each time."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def values(self) -> dict_values[str, Container]:
        for file in self.folder.iterdir():
            pairs = (each.partition("=") for each in file.read_text().split("\0") if each)
            self[file.name] = Container(file.name, [], {key: value for key, _, value in pairs}, None, self.folder)
        return super().values()


class EngineContainers(Containers):
    """What a real engine runs of ours, in place of local processes."""

    def __init__(self, url: str, marks: Path, label: str = ATTEMPT_LABEL) -> None:
        """`label`: what all containers of ours have."""
        super().__init__()
        self.label = label
        self.engine = docker.APIClient(base_url=url, version="auto")
        self.all = Marked(marks)

    def ours(self, *, running: bool = False) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.engine.containers(all=not running, filters={"label": [self.label]})
        return found

    def alive(self) -> list[Container]:
        return [Container(each["Id"], [], {}, None, self.folder) for each in self.ours(running=True)]

    def close(self) -> None:
        for each in self.ours():
            self.engine.remove_container(each["Id"], v=True, force=True)
        self.engine.close()
        super().close()


class DockerHarness(CloudHarness):
    """A provider before a proxy before the engine."""

    launch_operations = ("ContainerCreate", "ContainerRename", "ContainerStart")
    patience = 30.0
    containers: EngineContainers

    def __init__(self, url: str, folder: Path) -> None:
        self.marks = folder / "marks"
        self.marks.mkdir(mode=0o777)
        self.proxy = EngineProxy(url, OPERATIONS)
        self.mischief, self.journal = self.proxy.mischief, self.proxy.journal
        self.containers = EngineContainers(url, self.marks)
        self.image = os.environ["TEST_IMAGE"]

    def provider(self) -> DockerProvider:
        return DockerProvider({"DOCKER_HOST": self.proxy.docker_host})

    def configuration(self, program: Program, env: Mapping[str, str]) -> dict[str, Any]:
        command = ["/no/such/program"] if program == "broken" else ["sh", "-c", SCRIPTS[program]]
        return {"command": command, "env": dict(env), "image": self.image, "volumes": [f"{self.marks}:{MARKS}"]}

    def cloud_configuration(self, program: CloudProgram) -> dict[str, Any]:
        configuration = self.configuration("lines", {})
        if program == "hungry":
            limits = {"mem_limit": "64m", "memswap_limit": "64m"}
            return configuration | {"command": ["sh", "-c", SCRIPTS["hungry"]], **limits}
        return configuration | {"image": f"{os.environ['TEST_REGISTRY']}/open/tool:none"}

    def leftovers(self) -> list[str]:
        return [each["Names"][0] for each in self.containers.ours()]


def running_harness(folder: Path) -> Iterator[DockerHarness]:
    harness = DockerHarness(engine_url(), folder)
    with harness.proxy:
        yield harness
        harness.mischief.behave()
        harness.containers.close()
