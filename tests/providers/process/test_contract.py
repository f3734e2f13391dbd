"""The process provider keeps the port's promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.providers.contract import ProviderContract
from tests.providers.process.support import ProcessHarness


class TestProcess(ProviderContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> ProcessHarness:
        return ProcessHarness(tmp_path)
