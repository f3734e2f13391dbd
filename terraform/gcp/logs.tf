# Where lines go and how long they are kept, what is counted of them, and signs that something is wrong that Skylift cannot
# mend itself.

locals {
  services = { for name in keys(local.functions) : name => "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}-${name}\"" }
  lines    = join(" OR ", [for each in values(local.services) : "(${each})"])

  counted = {
    late-runs = {
      description = "Ticks that found more runs late than are allowed"
      filter      = "${local.services["schedule"]} AND jsonPayload.metrics.LateRuns>${var.late_runs_allowed}"
    }
    sweep-hits = {
      description = "Ticks that found more attempts than are allowed whose wakeup and event were lost"
      filter      = "${local.services["schedule"]} AND jsonPayload.metrics.SweepHits>${var.sweep_hits_allowed}"
    }
  }
  alerts = {
    late-runs = {
      description = "Runs wait for longer than they should: a pool has no room, or nothing dispatches"
      filter      = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.counted["late-runs"].name}\""
      window      = "900s"
      threshold   = 2
    }
    sweep-hits = {
      description = "Only the timer found what became of attempts: wakeups or events do not arrive"
      filter      = "resource.type=\"cloud_run_revision\" AND metric.type=\"logging.googleapis.com/user/${google_logging_metric.counted["sweep-hits"].name}\""
      window      = "3600s"
      threshold   = 0
    }
    failed-tasks = {
      description = "Functions that are woken fail again and again: the database cannot be reached, or a secret is missing"
      filter      = "resource.type=\"cloud_run_revision\" AND metric.type=\"run.googleapis.com/request_count\" AND metric.labels.response_code_class=\"5xx\" AND (${join(" OR ", [for name in local.private : "resource.labels.service_name=\"${var.name}-${name}\""])})"
      window      = "900s"
      threshold   = var.failures_allowed
    }
  }
}

resource "google_logging_project_bucket_config" "this" {
  project        = var.project
  location       = var.region
  bucket_id      = var.name
  description    = "What Skylift's functions log"
  retention_days = var.log_retention_days

  depends_on = [google_project_service.this]
}

resource "google_logging_project_sink" "lines" {
  project                = var.project
  name                   = "${var.name}-lines"
  description            = "What Skylift's functions log"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.this.id}"
  filter                 = local.lines
  unique_writer_identity = true
}

# Each line is kept once.
resource "google_logging_project_exclusion" "lines" {
  project     = var.project
  name        = "${var.name}-lines"
  description = "What Skylift's functions log is in a bucket of its own"
  filter      = local.lines

  depends_on = [google_logging_project_sink.lines]
}

resource "google_logging_metric" "counted" {
  for_each = local.counted

  project     = var.project
  name        = "${var.name}/${each.key}"
  description = each.value.description
  filter      = each.value.filter

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
  }

  depends_on = [google_project_service.this]
}

resource "google_logging_metric" "due_to_launch" {
  project         = var.project
  name            = "${var.name}/due-to-launch"
  description     = "From a run's due time until its launch was recorded"
  filter          = "${local.services["dispatch"]} AND jsonPayload.metrics.DueToLaunch>=0"
  value_extractor = "EXTRACT(jsonPayload.metrics.DueToLaunch)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "ms"
  }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.alerts

  project               = var.project
  display_name          = "${var.name}: ${each.key}"
  combiner              = "OR"
  notification_channels = var.notification_channels
  user_labels           = local.labels

  documentation {
    content   = each.value.description
    mime_type = "text/markdown"
  }

  conditions {
    display_name = each.key

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.threshold
      duration        = "0s"

      aggregations {
        alignment_period     = each.value.window
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  alert_strategy {
    auto_close = "3600s"
  }
}
