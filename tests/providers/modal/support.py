"""How the tests of the Modal provider reach the local Modal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from skylift_modal import ModalProvider
from skylift_modal.connection import close_connections
from tests.clouds.modal_cloud import TOKEN_ID, TOKEN_SECRET, LocalModal
from tests.clouds.modal_service import MISSING_IMAGE
from tests.providers.clearing import cleared
from tests.providers.cloud_contract import CloudHarness, CloudProgram
from tests.providers.contract import Program
from tests.providers.journeys import Ground

COMMANDS: dict[Program, list[str]] = {
    "lines": ["sh", "-c", "echo one; echo two; echo three"],
    "fails": ["sh", "-c", "exit 3"],
    "endless": ["sh", "-c", "sleep 600"],
    "stubborn": ["sh", "-c", "trap '' TERM; while true; do sleep 0.1; done"],
    "broken": ["true"],
}
EATS = "kept = [bytearray(b'x' * 1000000) for _ in range(300)]; import time; time.sleep(5)"


@contextmanager
def local_modal() -> Iterator[LocalModal]:
    """A workspace of its own, which the SDK of this process is configured for."""
    with LocalModal() as cloud, pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.environment.items():
            patch.setenv(name, value)
        try:
            with cleared(cloud, ModalProvider, lambda: _permit_all(cloud)):
                yield cloud
        finally:
            cloud.mischief.behave()
            close_connections()


def _permit_all(cloud: LocalModal) -> None:
    cloud.allowed, cloud.too_old, cloud.creates_per_second = None, False, None
    cloud.tokens[TOKEN_ID] = TOKEN_SECRET
    cloud.service.tags_are_final = False


def ground(cloud: LocalModal) -> Ground:
    """For journeys."""
    return Ground(
        type="modal:push",
        variables={
            "image": "registry.local/prefect:3",
            "modal_credentials": {"token_id": TOKEN_ID, "token_secret": TOKEN_SECRET},
        },
        containers=cloud.containers,
        leftovers=cloud.left,
        environment={"MODAL_SERVER_URL": cloud.url},
        unpullable={"image": f"registry.local/{MISSING_IMAGE}:1"},
        hungry={"memory": 128, "memory_limit": 256},
    )


class ModalHarness(CloudHarness):
    launch_operations: tuple[str, ...] = ("AppGetOrCreate", "ImageGetOrCreate", "SandboxCreateV2")
    exact_for_bare = False
    """A name is free again when its sandbox has ended: see `test_races.py` for what is promised instead."""

    def __init__(self, cloud: LocalModal, **more: Any) -> None:
        self.cloud, self.more = cloud, more
        self.mischief, self.journal, self.containers = cloud.mischief, cloud.journal, cloud.containers

    def provider(self) -> ModalProvider:
        return ModalProvider()

    def configuration(self, program: Program, env: Mapping[str, str]) -> dict[str, Any]:
        broken = {"memory": -1} if program == "broken" else {}
        return {**self._base(), "command": COMMANDS[program], "env": dict(env), **broken}

    def cloud_configuration(self, program: CloudProgram) -> dict[str, Any]:
        if program == "hungry":
            return {**self._base(), "command": ["python", "-c", EATS], "memory": 32, "memory_limit": 64}
        return {**self._base(), "command": ["true"], "image": f"registry.local/{MISSING_IMAGE}:1"}

    def leftovers(self) -> list[str]:
        return self.cloud.left()

    def _base(self) -> dict[str, Any]:
        return {"env": {}, "image": "registry.local/flows:1", **self.more}
