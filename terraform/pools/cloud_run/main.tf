# Everything that a `cloud-run-v2:push` or `cloud-run:push` work pool needs: what `skylift work-pool create
# --provision-infra` makes, with the same names and rights. What it reads in pool.json is written from the code
# (functions/terraform_data.py).

locals {
  # The pool's name as far as Google takes it, and letters that tell pools and installations apart.
  identity = sha256("${var.installation_id}/${var.name}")
  digest   = substr(local.identity, 0, 8)
  plain    = trim(replace(lower(var.name), "/[^a-z0-9]+/", "-"), "-")
  short    = { for length in [7, 32, 50] : length => trim(substr(local.plain, 0, length), "-") }
  stem     = join("-", compact(["skylift", local.short[32], local.digest]))

  # A service account's name has 30 characters at most.
  accounts = { for each in ["run", "push"] : each => join("-", compact(["skylift", local.short[7], local.digest, each])) }
  # A project of a domain is named `example.com:name`, and its accounts the other way round.
  domain        = "${join(".", reverse(split(":", var.project)))}.iam.gserviceaccount.com"
  runtime_email = var.service_account != "" ? var.service_account : "${local.accounts["run"]}@${local.domain}"
  pushing_email = "${local.accounts["push"]}@${local.domain}"

  repository = var.repository != "" ? var.repository : local.stem
  registry   = "${var.region}-docker.pkg.dev/${replace(var.project, ":", "/")}/${local.repository}"
  secret     = "${local.stem}-admission"

  shared = jsondecode(file("${path.module}/pool.json"))
  apis = concat(
    local.shared.apis,
    var.events_to != "" ? ["pubsub"] : [],
    local.outsider != "" ? ["sts"] : [],
  )

  marks  = { "skylift-owner" = var.installation_id, "skylift-work-pool" = "${local.short[50]}-${local.digest}" }
  labels = merge(var.labels, local.marks)
  # The marks of what has no labels, only a description.
  described = "of the Skylift work pool ${substr(var.name, 0, 80)} (skylift-owner ${var.installation_id} ${substr(local.identity, 0, 16)})"
}

# They stay on when the pool goes: others may use them by then.
resource "google_project_service" "this" {
  for_each = toset(local.apis)

  project            = var.project
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}

resource "google_artifact_registry_repository" "this" {
  #checkov:skip=CKV_GCP_84:Artifact Registry encrypts with keys of its own; a key of yours costs money while nothing runs
  count = var.repository == "" ? 1 : 0

  project       = var.project
  location      = var.region
  repository_id = local.repository
  format        = "DOCKER"
  description   = "Images for a Skylift work pool"
  labels        = local.labels

  cleanup_policies {
    id     = local.shared.cleanup.id
    action = local.shared.cleanup.action

    condition {
      tag_state  = local.shared.cleanup.condition.tagState
      older_than = local.shared.cleanup.condition.olderThan
    }
  }

  depends_on = [google_project_service.this]
}
