# Tells whoever observes of the ends of executions, so that an end is seen within a second.

locals {
  topic = startswith(var.events_to, "projects/") || var.events_to == "" ? var.events_to : "projects/${var.project}/topics/${var.events_to}"
}

resource "google_pubsub_topic" "events" {
  #checkov:skip=CKV_GCP_83:Pub/Sub encrypts with keys of its own, and what is told holds no secret
  count = var.events_to != "" && var.create_topic ? 1 : 0

  project = split("/", local.topic)[1]
  name    = split("/", local.topic)[3]
  labels  = local.labels

  depends_on = [google_project_service.this]
}

resource "google_logging_project_sink" "events" {
  count = var.events_to != "" ? 1 : 0

  project                = var.project
  name                   = local.stem
  description            = "Ends of runs ${local.described}"
  destination            = "pubsub.googleapis.com/${local.topic}"
  filter                 = "${local.shared.sink_filter} AND resource.labels.location=\"${var.region}\""
  unique_writer_identity = true

  depends_on = [google_project_service.this, google_pubsub_topic.events]
}

resource "google_pubsub_topic_iam_member" "publishing" {
  count = var.events_to != "" ? 1 : 0

  project = split("/", local.topic)[1]
  topic   = split("/", local.topic)[3]
  role    = local.shared.roles.publish
  member  = google_logging_project_sink.events[0].writer_identity
}
