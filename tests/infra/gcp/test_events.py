"""What Google tells of the ends of a pool's runs, where `--events-to` names Skylift's function: it is let in there, and
understood."""

from __future__ import annotations

from typing import Any

import pytest

from skylift_cloud_run.events import read_event
from skylift_functions.gcp import callers
from tests.clouds.google_project import LocalGoogleProject
from tests.clouds.google_tokens import Tokens, without_signature
from tests.infra.gcp.project import applied
from tests.infra.gcp.test_gcp import INVOKER, OBSERVE, PROJECT, STEM, WAYS
from tests.infra.gcp.test_rights import ProvisionedHarness
from tests.providers.contract import new_launch, wait_for, watch


def test_what_is_pushed_is_let_in_and_understood(cloud: LocalGoogleProject) -> None:
    events: list[dict[str, Any]] = []
    cloud.listeners.append(events.append)
    harness = ProvisionedHarness(cloud)
    applied(**WAYS["push"])
    provider, launch = harness.provider(), new_launch(harness.configuration("lines", {}))
    handle = provider.launch(launch)
    (event, *_) = wait_for(lambda: [*events], bool, 10)
    told = cloud.resources.subscriptions[f"projects/{PROJECT}/subscriptions/{STEM}"]["pushConfig"]
    wanted = told["oidcToken"]
    token = without_signature(Tokens().token(wanted["serviceAccountEmail"], wanted["audience"]))
    function = {"SKYLIFT_IAM_CHECKED": "true", "SKYLIFT_INVOKER": INVOKER}
    callers.check({"Authorization": f"Bearer {token}"}, function, OBSERVE)
    with pytest.raises(callers.IntruderError):
        callers.check({"Authorization": f"Bearer {token}"}, function, "https://another.run.app")
    (heard,) = read_event(event)
    assert heard.attempt_id == launch.attempt_id
    assert heard.observation.handle == handle
    provider.cleanup(watch(launch, handle))
