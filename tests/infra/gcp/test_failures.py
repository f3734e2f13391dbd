"""Provisioning in Google Cloud goes on after a failure at any call, and says what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from skylift.provisioner import ProvisionError
from tests.clouds.google import PERMISSIONS
from tests.clouds.google_project import LocalGoogleProject
from tests.infra.gcp.project import applied, destroyed, with_block
from tests.infra.gcp.test_gcp import WAYS


def _failing_everywhere(cloud: LocalGoogleProject, way: str, kind: Any, every: int = 1) -> int:
    """Each call (or every so-many-th) goes wrong once; then the next run completes, and nothing is there twice. Says
    how many calls did."""
    answers, services = WAYS[way], dict(cloud.resources.services)
    empty = cloud.everything()
    known = with_block(applied(**answers))
    expected = _shape(cloud)
    destroyed(known, **answers)
    begun = range(0, len(cloud.journal.calls()), every)
    failed = 0
    for at in begun:
        cloud.resources.services, cloud.iam.roles = dict(services), {}
        order = cloud.mischief.order("*", kind, after=at)
        try:
            pool = with_block(applied(**answers))
        except ProvisionError:
            pool = with_block(applied(**answers))
        assert _shape(cloud) == expected, at
        try:
            destroyed(pool, **answers)
        except ProvisionError:
            destroyed(pool, **answers)
        assert cloud.everything() == empty, at
        failed += order.reached.is_set()
        cloud.mischief.behave()
    assert failed == len(begun)
    return failed


def _shape(cloud: LocalGoogleProject) -> dict[str, Any]:
    """How many there are of everything; keys are counted."""
    there = cloud.everything()
    return there | {"accounts": {name: len(keys) for name, keys in there["accounts"].items()}}


@pytest.mark.parametrize("kind", ["break", "lose_answer"])
def test_a_call_may_fail(cloud: LocalGoogleProject, kind: str) -> None:
    """A part of the long test below."""
    assert _failing_everywhere(cloud, "key", kind, every=41) > 1


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["break", "lose_answer"])
@pytest.mark.parametrize("way", WAYS)
def test_every_call_may_fail(cloud: LocalGoogleProject, way: str, kind: str) -> None:
    assert _failing_everywhere(cloud, way, kind) > 90


@pytest.mark.parametrize("at", range(0, 60, 7))
def test_who_lacks_a_permission_is_told_which(cloud: LocalGoogleProject, at: int) -> None:
    cloud.mischief.order("*", "deny", after=at)
    with pytest.raises(ProvisionError) as caught:
        applied()
    denied = cloud.journal.calls()[at].operation
    assert PERMISSIONS.get(denied, "") in f"{caught.value.remedy}"
