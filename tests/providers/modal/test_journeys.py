"""Runs of every kind through a real service and the local Modal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds.modal_cloud import TOKEN_ID, TOKEN_SECRET
from tests.clouds.modal_service import MISSING_IMAGE
from tests.providers.journeys import Ground, Journeys
from tests.providers.modal.support import ModalHarness, local_modal


@pytest.mark.long
class TestModalJourneys(Journeys):
    @pytest.fixture(scope="class")
    @classmethod
    def ground(cls) -> Iterator[Ground]:
        with local_modal() as cloud:
            yield Ground(
                type="modal:push",
                variables={
                    "image": "registry.local/prefect:3",
                    "modal_credentials": {"token_id": TOKEN_ID, "token_secret": TOKEN_SECRET},
                },
                containers=cloud.containers,
                leftovers=ModalHarness(cloud).leftovers,
                environment={"MODAL_SERVER_URL": cloud.url},
                unpullable={"image": f"registry.local/{MISSING_IMAGE}:1"},
                hungry={"memory": 128, "memory_limit": 256},
            )
