# An account for each function, with what functions.json says of it and no more; one that wakes them; one that builds.
# Pools give leave to impersonate their own accounts: see `pushing_members`.

locals {
  # Which permission comes with which of Google's roles is the platform's to say, too.
  roles = local.platform.roles

  enqueuing = { for pair in setproduct(keys(local.functions), keys(local.woken)) : "${pair[0]}-${pair[1]}" => { function = pair[0], verb = pair[1] }
    if contains(lookup(local.functions[pair[0]].permissions, "cloudtasks.tasks.create", []), "{${pair[1]}_queue}")
  }
  reading = { for pair in setproduct(keys(local.functions), values(local.references)) : "${pair[0]}-${pair[1]}" => { function = pair[0], secret = pair[1] }
    if contains(lookup(local.functions[pair[0]].permissions, "secretmanager.versions.access", []), "{secrets}")
  }
  acting = toset([for name, each in local.functions : name
    if contains(lookup(each.permissions, "iam.serviceAccounts.actAs", []), "{invoker}")
  ])
}

resource "google_service_account" "function" {
  for_each = local.functions

  project      = var.project
  account_id   = "${var.name}-${each.key}"
  display_name = "Skylift's function ${each.key}"

  depends_on = [google_project_service.this]
}

resource "google_service_account" "invoker" {
  project      = var.project
  account_id   = "${var.name}-invoker"
  display_name = "Wakes Skylift's functions"

  depends_on = [google_project_service.this]
}

resource "google_service_account" "build" {
  project      = var.project
  account_id   = "${var.name}-build"
  display_name = "Builds Skylift's functions"

  depends_on = [google_project_service.this]
}

resource "google_cloud_tasks_queue_iam_member" "function" {
  for_each = local.enqueuing

  project  = var.project
  location = var.region
  name     = google_cloud_tasks_queue.wakeups[each.value.verb].name
  role     = local.roles["cloudtasks.tasks.create"]
  member   = "serviceAccount:${google_service_account.function[each.value.function].email}"
}

resource "google_secret_manager_secret_iam_member" "function" {
  for_each = local.reading

  project   = local.secret_projects[each.value.secret]
  secret_id = local.secret_ids[each.value.secret]
  role      = local.roles["secretmanager.versions.access"]
  member    = "serviceAccount:${google_service_account.function[each.value.function].email}"
}

# On the invoker alone: a task shows its token only where whoever made the task may act as it.
resource "google_service_account_iam_member" "function" {
  for_each = local.acting

  service_account_id = google_service_account.invoker.name
  role               = local.roles["iam.serviceAccounts.actAs"]
  member             = "serviceAccount:${google_service_account.function[each.key].email}"
}

resource "google_cloud_run_service_iam_member" "invoker" {
  for_each = toset(local.private)

  project  = var.project
  location = var.region
  service  = google_cloudfunctions2_function.this[each.key].name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${google_service_account.invoker.email}"
}

# The API asks for its own keys, run tokens and signatures, which Google does not know.
resource "google_cloud_run_service_iam_member" "public" {
  #checkov:skip=CKV_GCP_102:Runs and webhooks' senders have no accounts at Google; Skylift asks everybody for a key, token or signature
  for_each = toset([for name, each in local.functions : name if each.is_public])

  project  = var.project
  location = var.region
  service  = google_cloudfunctions2_function.this[each.key].name
  role     = "roles/run.invoker"
  member   = "allUsers"
}

# What cloud.google.com/functions/docs/securing/build-custom-sa asks for, on what is read and written.
resource "google_project_iam_member" "build" {
  for_each = {
    "roles/logging.logWriter" = null
    "roles/storage.objectViewer" = join(" || ", [for bucket in ["${var.name}-source-${data.google_project.this.number}", "gcf-v2-sources-${data.google_project.this.number}-${var.region}"] :
      "resource.name.startsWith(\"projects/_/buckets/${bucket}\")"
    ])
  }

  project = var.project
  role    = each.key
  member  = "serviceAccount:${google_service_account.build.email}"

  dynamic "condition" {
    for_each = each.value != null ? [each.value] : []

    content {
      title      = "skylift-sources"
      expression = condition.value
    }
  }
}

resource "google_artifact_registry_repository_iam_member" "build" {
  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.images.repository_id
  role       = "roles/artifactregistry.writer"
  member     = "serviceAccount:${google_service_account.build.email}"
}
