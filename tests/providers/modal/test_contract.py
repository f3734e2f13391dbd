"""The Modal provider keeps the port's promises, with both kinds of sandboxes that Modal has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers.cloud_contract import CloudContract
from tests.providers.modal.support import ModalHarness, local_modal


class TestModal(CloudContract):
    @pytest.fixture
    def harness(self) -> Iterator[ModalHarness]:
        with local_modal() as cloud:
            yield ModalHarness(cloud)


class OlderHarness(ModalHarness):
    launch_operations = ("AppGetOrCreate", "ImageGetOrCreate", "SecretGetOrCreate", "SandboxCreate")


class TestModalWithGpu(CloudContract):
    """Sandboxes with a GPU are of the older kind, whose RPCs and ids are others."""

    @pytest.fixture
    def harness(self) -> Iterator[ModalHarness]:
        with local_modal() as cloud:
            yield OlderHarness(cloud, gpu="T4:2")
