"""The container instance provider's harness, and what its tests share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from skylift_container_instance import ContainerInstanceProvider
from tests.clouds.azure import LocalAzure
from tests.providers.cloud_contract import CloudHarness, CloudProgram
from tests.providers.contract import Program

PROGRAMS = {
    "lines": "printf 'one\\ntwo\\nthree\\n'",
    "fails": "exit 3",
    "endless": "exec sleep 600",
    "stubborn": "trap '' TERM; while :; do sleep 0.1; done",
}
EATS = "kept = [bytearray(b'x' * 1000000) for _ in range(300)]; import time; time.sleep(9)"


class ContainerInstanceHarness(CloudHarness):
    """A local Azure of the test's own."""

    launch_operations = ("ContainerGroups_CreateOrUpdate",)
    exact_for_bare = False

    def __init__(self, cloud: LocalAzure) -> None:
        self.cloud = cloud
        self.mischief, self.journal, self.containers = cloud.mischief, cloud.journal, cloud.containers

    def provider(self) -> ContainerInstanceProvider:
        return ContainerInstanceProvider()

    def base(self, command: list[str], env: Mapping[str, str], **more: Any) -> dict[str, Any]:
        return {**self.cloud.variables(), "image": "python:3.13-slim", "command": command, "env": dict(env), **more}

    def configuration(self, program: Program, env: Mapping[str, str]) -> dict[str, Any]:
        if program == "broken":
            return self.base(["true"], env, image="registry.example/refused:1")
        return self.base(["sh", "-c", PROGRAMS[program]], env)

    def cloud_configuration(self, program: CloudProgram) -> dict[str, Any]:
        if program == "hungry":
            return self.base(["python", "-c", EATS], {}, memory=0.1)
        return self.base(["true"], {}, image="registry.example/not-there:1")

    def leftovers(self) -> list[str]:
        return self.cloud.left()


@contextmanager
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAzure]:
    """A local Azure that this process finds."""
    with LocalAzure() as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        yield cloud
