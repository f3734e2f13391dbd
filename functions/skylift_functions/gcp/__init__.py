"""The Google Cloud platform: the verbs as Cloud Run functions, woken by Cloud Scheduler, Cloud Tasks and Pub/Sub."""

from skylift_functions.gcp.platform import PLATFORM, GcpPlatform

__all__ = ["PLATFORM", "GcpPlatform"]
