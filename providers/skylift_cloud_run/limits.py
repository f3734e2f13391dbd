"""What Cloud Run allows.

Sources: "Job run requests per minute per region" is 180 by default, and "Write requests per minute per region" is 180
as well (the quota page of the console for run.googleapis.com; a project may have less or more: set the pool's
`launch_rate`). 1,000 jobs, and 1,000 running executions, per project and region (cloud.google.com/run/quotas).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skylift.provider import ProviderError, Quota
from skylift_cloud_run.place import client_and_place, read_place

JOBS = 1000
SHARED = (2.6, 20)
"""Launches a second, and at once: in no minute more than 20 + 60 * 2.6 = 176 of the 180 run requests."""
ALONE = (1.1, 20)
"""For bare commands, each of which costs two write requests (a job made and deleted): 2 * (20 + 60 * 1.1) = 172."""


def quota(configuration: Mapping[str, Any]) -> Quota:
    """By project and region. A pool whose place is not known has a bucket of its own."""
    rate, burst = ALONE if configuration.get("runner") is False else SHARED
    try:
        _, place = client_and_place(read_place(configuration))
    except ProviderError:
        return Quota(rate, burst)
    return Quota(rate, burst, f"cloud-run/{place.project}/{place.region}")
