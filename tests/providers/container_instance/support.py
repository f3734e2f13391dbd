"""The container instance provider's harness, and what its tests share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from skylift_container_instance import ContainerInstanceProvider
from skylift_container_instance.request import strings
from tests.clouds.azure import EVERYTHING, LocalAzure
from tests.providers.clearing import cleared
from tests.providers.cloud_contract import CloudHarness, CloudProgram
from tests.providers.contract import Program
from tests.providers.journeys import Ground

PROGRAMS = {
    "lines": "printf 'one\\ntwo\\nthree\\n'",
    "fails": "exit 3",
    "endless": "exec sleep 600",
    "stubborn": "trap '' TERM; echo ready; while :; do sleep 0.1; done",
}
SHORTEST = 6
"""A secret value that is looked for: shorter ones stand in other words."""
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

    def starts(self, attempt_id: UUID) -> int:
        """Of one that will not listen only when it has come so far that it does not."""
        begun = [
            each
            for each in [*self.containers.all.values()]
            if each.command[-1] != PROGRAMS["stubborn"] or each.lines or not each.is_alive
        ]
        return sum(each.env.get("SKYLIFT_ATTEMPT") == str(attempt_id) for each in begun)

    def leftovers(self) -> list[str]:
        return self.cloud.left()


def ground(cloud: LocalAzure) -> Ground:
    """For journeys."""
    return Ground(
        type="azure-container-instance:push",
        variables=cloud.variables(),
        containers=cloud.containers,
        leftovers=cloud.left,
        environment=cloud.environment(),
        unpullable={"image": "registry.example/not-there:1"},
        hungry={"memory": 0.2},
    )


def ensure_nothing_secret_was_shown(cloud: LocalAzure) -> None:
    """Of all that was ever sent in the fields that Azure keeps secret, nothing stood in another one."""
    known = {text for call in cloud.journal.calls() for _, text in strings(call.secret_fields or {})}
    shown = cloud.journal.shown()
    assert not [each for each in known if len(each) >= SHORTEST and each in shown]


@contextmanager
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAzure]:
    """A local Azure that this process finds."""
    with LocalAzure() as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        with cleared(cloud, ContainerInstanceProvider, lambda: cloud.permitted.update(EVERYTHING)):
            yield cloud
        ensure_nothing_secret_was_shown(cloud)
