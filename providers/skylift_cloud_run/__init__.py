"""The `cloud-run:push` and `cloud-run-v2:push` providers: flow runs as executions of Google Cloud Run jobs."""

from __future__ import annotations

from skylift_cloud_run.adapter import CloudRunProvider

PROVIDER = CloudRunProvider("cloud-run-v2:push", "Google Cloud Run V2 (push)", "base_job_template.json")
PROVIDER_V1 = CloudRunProvider("cloud-run:push", "Google Cloud Run (push)", "base_job_template_v1.json")
"""The same over the same API, under the names that Prefect's older pools have for its variables."""

__all__ = ["PROVIDER", "PROVIDER_V1", "CloudRunProvider"]
