"""The Azure platform: the verbs as one function app, woken by a timer, by storage queues, by HTTP and by Event Grid."""

from skylift_functions.azure.platform import PLATFORM, AzurePlatform

__all__ = ["PLATFORM", "AzurePlatform"]
