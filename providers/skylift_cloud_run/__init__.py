"""The `cloud-run:push` and `cloud-run-v2:push` provider: flow runs as executions of Google Cloud Run jobs."""
