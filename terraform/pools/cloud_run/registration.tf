# What Skylift is told. Doing it again changes nothing, so it is done whenever something of it is new.

locals {
  registration = {
    name              = var.name
    type              = var.type
    description       = var.description
    concurrency_limit = var.concurrency_limit
    variables = {
      project              = var.project
      region               = var.region
      service_account_name = local.runtime_email
      pool_secret          = "projects/${var.project}/secrets/${google_secret_manager_secret.admission.secret_id}"
    }
    credentials = {
      block_type = "gcp-credentials"
      variable   = "credentials"
      data       = merge({ project = var.project, impersonate_service_account = local.pushing_email }, local.way_in)
    }
  }
}

resource "terraform_data" "registration" {
  count = var.register ? 1 : 0

  triggers_replace = [local.registration, var.admission_secret_version]

  provisioner "local-exec" {
    command = "skylift work-pool register"
    environment = {
      SKYLIFT_REGISTRATION = jsonencode(merge(local.registration, {
        admission_secret_sha256 = sha256(ephemeral.google_secret_manager_secret_version.admission.secret_data)
      }))
    }
  }

  # A pool that is told of an account has to be able to use it.
  depends_on = [
    google_artifact_registry_repository.this,
    google_project_iam_member.pushing,
    google_service_account_iam_member.acting,
    google_service_account_iam_binding.impersonation,
    google_service_account_iam_binding.federation,
    google_secret_manager_secret_iam_member.reading,
    google_pubsub_topic_iam_member.publishing,
  ]
}
