"""A Google Cloud project on this machine, and pools in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.clouds.google_project import LocalGoogleProject


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGoogleProject]:
    """Empty but for its owner, who is signed in here."""
    for name in [*os.environ]:
        if name.startswith(("GOOGLE_", "CLOUDSDK_", "SKYLIFT_GOOGLE_")):
            monkeypatch.delenv(name)
    with LocalGoogleProject() as made:
        monkeypatch.setenv("SKYLIFT_GOOGLE_ENDPOINT", made.url)
        yield made
