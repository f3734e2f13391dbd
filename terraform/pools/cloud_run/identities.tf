# Who may do what: the flows, and Skylift. No right more than the provider's calls need.

# May do nothing until you give it more.
resource "google_service_account" "runtime" {
  count = var.service_account == "" ? 1 : 0

  project      = var.project
  account_id   = local.accounts["run"]
  display_name = "Skylift"
  description  = "Has the runs ${local.described}"

  depends_on = [google_project_service.this]
}

resource "google_service_account" "pushing" {
  project      = var.project
  account_id   = local.accounts["push"]
  display_name = "Skylift"
  description  = "Pushes the runs ${local.described}"

  depends_on = [google_project_service.this]
}

resource "google_project_iam_custom_role" "pushing" {
  project     = var.project
  role_id     = replace(local.stem, "-", "_")
  title       = "Skylift dispatcher"
  description = "For the dispatcher ${local.described}"
  permissions = local.shared.permissions
  stage       = "GA"

  depends_on = [google_project_service.this]
}

resource "google_project_iam_member" "pushing" {
  project = var.project
  role    = "projects/${var.project}/roles/${google_project_iam_custom_role.pushing.role_id}"
  member  = "serviceAccount:${local.pushing_email}"

  depends_on = [google_service_account.pushing, google_project_iam_custom_role.pushing]
}

# On the runs' account alone: on the project it would be leave to be anybody.
resource "google_service_account_iam_member" "acting" {
  service_account_id = "projects/${var.project}/serviceAccounts/${local.runtime_email}"
  role               = local.shared.roles.act_as
  member             = "serviceAccount:${local.pushing_email}"

  depends_on = [google_service_account.runtime, google_service_account.pushing]
}

# Whoever else has this role is taken it from.
resource "google_service_account_iam_binding" "impersonation" {
  count = length(var.dispatchers) > 0 ? 1 : 0

  service_account_id = "projects/${var.project}/serviceAccounts/${local.pushing_email}"
  role               = local.shared.roles.impersonate
  members            = var.dispatchers

  depends_on = [google_service_account.pushing]
}

# What the pool's containers show at their admission. Its value is neither in the plan nor in the state.
resource "google_secret_manager_secret" "admission" {
  project   = var.project
  secret_id = local.secret
  labels    = local.labels

  replication {
    auto {}
  }

  depends_on = [google_project_service.this]
}

ephemeral "random_password" "admission" {
  length  = 43
  special = false
}

resource "google_secret_manager_secret_version" "admission" {
  secret                 = google_secret_manager_secret.admission.id
  secret_data_wo         = ephemeral.random_password.admission.result
  secret_data_wo_version = var.admission_secret_version
}

# As it is kept, which is not what was thought of for this plan once it is there.
ephemeral "google_secret_manager_secret_version" "admission" {
  project = var.project
  secret  = google_secret_manager_secret_version.admission.secret
  version = google_secret_manager_secret_version.admission.version
}

resource "google_secret_manager_secret_iam_member" "reading" {
  project   = var.project
  secret_id = google_secret_manager_secret.admission.secret_id
  role      = local.shared.roles.accessor
  member    = "serviceAccount:${local.runtime_email}"

  depends_on = [google_service_account.runtime]
}
