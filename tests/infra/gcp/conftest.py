"""A Google Cloud project on this machine, and pools in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from skylift_infra.gcp.rights import pushing_permissions
from tests.clouds.google_project import LocalGoogleProject
from tests.infra.gcp.test_gcp import PUSH, ROLE, RUN, account
from tests.providers.clearing import cleared
from tests.providers.cloud_run.support import new_provider


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGoogleProject]:
    """Empty but for its owner, who is signed in here."""
    for name in [*os.environ]:
        if name.startswith(("GOOGLE_", "CLOUDSDK_", "SKYLIFT_GOOGLE_")):
            monkeypatch.delenv(name)
    with LocalGoogleProject() as made:
        monkeypatch.setenv("SKYLIFT_GOOGLE_ENDPOINT", made.url)
        with cleared(made, new_provider, lambda: _give_back(made)):
            yield made


def _give_back(cloud: LocalGoogleProject) -> None:
    """The rights of whoever pushes, as they were before a test took one away."""
    if ROLE in cloud.iam.roles:
        cloud.iam.roles[ROLE]["includedPermissions"] = pushing_permissions()
        cloud.iam.policies.grant(account(RUN), "roles/iam.serviceAccountUser", f"serviceAccount:{PUSH}")
