# What wakes the functions: their queues, the timer, and the ends of executions.

resource "google_cloud_tasks_queue" "wakeups" {
  for_each = local.woken

  project  = var.project
  location = var.region
  name     = "${var.name}-${each.key}"

  rate_limits {
    max_concurrent_dispatches = var.max_concurrency
  }

  retry_config {
    max_attempts  = 10
    min_backoff   = "1s"
    max_backoff   = "60s"
    max_doublings = 6
  }

  depends_on = [google_project_service.this]
}

# The timer alone would make everything right; wakeups and events only make it sooner.
resource "google_cloud_scheduler_job" "tick" {
  for_each = local.timed

  project          = var.project
  region           = var.region
  name             = "${var.name}-${each.key}"
  description      = "Skylift's timer"
  schedule         = "*/${each.value} * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "${local.functions[each.key].timeout}s"

  # What one tick did not do the next one does.
  retry_config {
    retry_count = 1
  }

  http_target {
    http_method = "POST"
    uri         = local.urls[each.key]

    oidc_token {
      service_account_email = google_service_account.invoker.email
      audience              = local.urls[each.key]
    }
  }

  depends_on = [google_cloud_run_service_iam_member.invoker]
}

# Pools send the ends of their executions here: see `events_topic`.
resource "google_pubsub_topic" "events" {
  #checkov:skip=CKV_GCP_83:Pub/Sub encrypts with keys of its own, and what is told holds no secret
  project = var.project
  name    = "${var.name}-events"
  labels  = local.labels

  depends_on = [google_project_service.this]
}

resource "google_pubsub_subscription" "events" {
  for_each = toset(local.told)

  project              = var.project
  name                 = "${var.name}-${each.key}"
  topic                = google_pubsub_topic.events.id
  ack_deadline_seconds = local.functions[each.key].timeout
  # What is older was found by the timer long ago.
  message_retention_duration = "3600s"
  labels                     = local.labels

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }

  push_config {
    push_endpoint = local.urls[each.key]

    oidc_token {
      service_account_email = google_service_account.invoker.email
      audience              = local.urls[each.key]
    }
  }

  depends_on = [google_cloud_run_service_iam_member.invoker]
}
