# What the functions read by reference: mounted, so that a cold start asks for nothing. No value is in the plan or in the
# state: it is made on the way, or given, and written to Secret Manager.

locals {
  references = {
    SKYLIFT_DATABASE_URL_FROM = "database-url"
    SKYLIFT_SECRET_KEY_FROM   = "sealing-keys"
    SKYLIFT_API_KEY_FROM      = "admin-key"
  }
  makes_url = var.database_url_secret == ""
  made      = toset(concat(["sealing-keys", "admin-key"], local.makes_url ? ["database-url"] : []))

  given           = local.makes_url ? {} : { database-url = split("/", var.database_url_secret) }
  secret_ids      = merge({ for each in local.made : each => google_secret_manager_secret.this[each].secret_id }, { for name, parts in local.given : name => parts[3] })
  secret_projects = merge({ for each in local.made : each => var.project }, { for name, parts in local.given : name => parts[1] })
}

resource "google_secret_manager_secret" "this" {
  for_each = local.made

  project             = var.project
  secret_id           = "${var.name}-${each.key}"
  labels              = local.labels
  deletion_protection = var.protect_secrets

  replication {
    auto {}
  }

  depends_on = [google_project_service.this]
}

ephemeral "random_password" "sealing_key" {
  length  = 64
  special = false
}

ephemeral "random_password" "admin_key" {
  length  = 43
  special = false
}

# A Fernet key is 32 bytes in the alphabet of URLs. Written once: rotation puts a new key before it, and is not undone.
resource "google_secret_manager_secret_version" "sealing_keys" {
  secret                 = google_secret_manager_secret.this["sealing-keys"].id
  secret_data_wo         = replace(replace(base64sha256(ephemeral.random_password.sealing_key.result), "+", "-"), "/", "_")
  secret_data_wo_version = 1
}

resource "google_secret_manager_secret_version" "admin_key" {
  secret                 = google_secret_manager_secret.this["admin-key"].id
  secret_data_wo         = ephemeral.random_password.admin_key.result
  secret_data_wo_version = var.admin_key_version
}

resource "google_secret_manager_secret_version" "database_url" {
  count = local.makes_url ? 1 : 0

  secret                 = google_secret_manager_secret.this["database-url"].id
  secret_data_wo         = var.database_url
  secret_data_wo_version = var.database_url_version
}
