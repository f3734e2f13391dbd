"""The clouds' SDKs, imported once for all that are forked. Modal's starts a thread, which no fork would have."""

import azure.mgmt.containerinstance
import boto3
import google.cloud.run_v2
import requests

__all__ = ["azure", "boto3", "google", "requests"]
