"""Whether the pushing account's rights are in force: Google says at once that they are granted, and keeps to them some
minutes later (cloud.google.com/iam/docs/access-change-propagation).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from skylift.provider import Rejected, Unreachable
from skylift.provisioner import ProvisionError
from skylift_cloud_run.credentials import Credentials, endpoint, load
from skylift_cloud_run.transport import new_session
from skylift_infra.gcp.errors import telling

WITHIN = 180.0
"""Seconds to wait at the most; it is usually well under a minute."""
PAUSES = (0.5, 1.0, 2.0, 4.0)


def wait(who: Credentials, project: str, permissions: Sequence[str], runtime: str) -> bool:
    """Until this identity may do that on the project, and act as the account `runtime`. False: not in time."""
    until, pauses = time.monotonic() + WITHIN, iter(PAUSES)
    while not _may(who, project, permissions, runtime):
        if time.monotonic() > until:
            return False
        time.sleep(next(pauses, 5.0))
    return True


def _may(who: Credentials, project: str, permissions: Sequence[str], runtime: str) -> bool:
    on_project = f"{endpoint('cloudresourcemanager')}/v3/projects/{project}:testIamPermissions"
    on_account = f"{endpoint('iam')}/v1/projects/-/serviceAccounts/{runtime}:testIamPermissions"
    try:
        with telling("try the new rights"):
            session = new_session(load(who)[0])
            return _has(session, on_project, permissions) and _has(session, on_account, ["iam.serviceAccounts.actAs"])
    except (ProvisionError, Rejected, Unreachable):
        return False


def _has(session: Any, url: str, permissions: Sequence[str]) -> bool:
    answer = session.post(url, json={"permissions": list(permissions)})
    return answer.status_code == 200 and set(permissions) <= set(answer.json().get("permissions", []))
