# The functions. What each is, how large, what calls it and what it may do is in functions.json, which is written from
# the code (functions/terraform_data.py).

data "google_project" "this" {
  project_id = var.project
}

locals {
  platform  = jsondecode(file("${path.module}/functions.json"))
  functions = local.platform.functions
  woken     = { for name, each in local.functions : each.queue => name if each.queue != null }
  timed     = { for name, each in local.functions : name => each.every if each.every != null }
  told      = [for name, each in local.functions : name if each.hears]
  private   = [for name, each in local.functions : name if !each.is_public]

  labels = merge(var.labels, { "skylift-service" = var.name })

  # Known before there are any functions, for they call each other.
  urls    = { for name in keys(local.functions) : name => "https://${var.name}-${name}-${data.google_project.this.number}.${var.region}.run.app" }
  api_url = var.api_url != "" ? var.api_url : "${local.urls["api"]}/api"

  mounts = { for variable, secret in local.references : variable => "/etc/skylift/${secret}" }
  common = merge(
    local.console_settings,
    var.settings,
    { for variable, path in local.mounts : variable => "${path}/value" },
    { for verb in keys(local.woken) : "SKYLIFT_QUEUE_${upper(verb)}" => "projects/${var.project}/locations/${var.region}/queues/${var.name}-${verb}" },
    { for verb, name in local.woken : "SKYLIFT_URL_${upper(verb)}" => local.urls[name] },
    {
      SKYLIFT_API_URL   = local.api_url
      SKYLIFT_INVOKER   = google_service_account.invoker.email
      SKYLIFT_LOG_LEVEL = var.log_level
    },
  )
  # Only where nobody but the invoker may call does Google check who calls.
  variables = { for name, each in local.functions : name => merge(
    local.common,
    each.is_public ? { FUNCTION_USE_ASGI = "true" } : { SKYLIFT_IAM_CHECKED = "true" },
  ) }
}

resource "google_project_service" "this" {
  for_each = toset([
    "artifactregistry", "cloudbuild", "cloudfunctions", "cloudscheduler", "cloudtasks", "iam", "iamcredentials", "logging",
    "monitoring", "pubsub", "run", "secretmanager", "storage",
  ])

  project            = var.project
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}

resource "google_cloudfunctions2_function" "this" {
  #checkov:skip=CKV_GCP_124:The API is called by runs and senders from anywhere; the others take calls from within the project only
  for_each = local.functions

  project     = var.project
  location    = var.region
  name        = "${var.name}-${each.key}"
  description = "Skylift: ${each.key}"
  labels      = local.labels

  build_config {
    runtime           = "python313"
    entry_point       = each.key
    service_account   = google_service_account.build.name
    docker_repository = google_artifact_registry_repository.images.id

    source {
      storage_source {
        bucket = google_storage_bucket.source.name
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.function[each.key].email
    timeout_seconds                  = each.value.timeout
    available_memory                 = "${each.value.memory}Mi"
    available_cpu                    = "1"
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = 0
    max_instance_count               = each.value.is_public ? var.api_instances : var.max_concurrency
    ingress_settings                 = each.value.is_public ? "ALLOW_ALL" : "ALLOW_INTERNAL_ONLY"
    environment_variables            = local.variables[each.key]
    direct_vpc_egress                = var.vpc != null ? "VPC_EGRESS_PRIVATE_RANGES_ONLY" : null

    dynamic "secret_volumes" {
      for_each = local.references

      content {
        mount_path = local.mounts[secret_volumes.key]
        project_id = local.secret_projects[secret_volumes.value]
        secret     = local.secret_ids[secret_volumes.value]

        versions {
          version = "latest"
          path    = "value"
        }
      }
    }

    dynamic "direct_vpc_network_interface" {
      for_each = var.vpc != null ? [var.vpc] : []

      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
      }
    }
  }

  # A function that may not read its secrets is not deployed at all.
  depends_on = [
    google_project_service.this,
    google_project_iam_member.build,
    google_artifact_registry_repository_iam_member.build,
    google_secret_manager_secret_iam_member.function,
    google_secret_manager_secret_version.sealing_keys,
    google_secret_manager_secret_version.admin_key,
    google_secret_manager_secret_version.database_url,
  ]
}

# -- what they are built of --------------------------------------------------------------------------------------------

locals {
  archive = "${var.packages_dir}/skylift-gcp.zip"
}

resource "google_storage_bucket" "source" {
  #checkov:skip=CKV_GCP_62:Nobody but the build reads it; who did is in Cloud Audit Logs where those are on
  #checkov:skip=CKV_GCP_78:Each version of the source has a name of its own
  project                     = var.project
  name                        = "${var.name}-source-${data.google_project.this.number}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true
  labels                      = local.labels

  depends_on = [google_project_service.this]
}

# Named after its content: the functions are built anew when that is new, and only then.
resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.source.name
  name   = "skylift-${filesha256(local.archive)}.zip"
  source = local.archive
}

resource "google_artifact_registry_repository" "images" {
  #checkov:skip=CKV_GCP_84:Artifact Registry encrypts with keys of its own; a key of yours costs money while nothing runs
  project       = var.project
  location      = var.region
  repository_id = "${var.name}-functions"
  format        = "DOCKER"
  description   = "Images of Skylift's functions"
  labels        = local.labels

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"

    most_recent_versions {
      keep_count = 3
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.this]
}
