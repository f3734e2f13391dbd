# A dispatcher that is a role in AWS, or a managed identity in Azure, becomes the pushing account, without a key.

locals {
  # As it stands in what AWS says of the role's sessions: without a path.
  aws          = var.aws_role != "" ? regex("^arn:(?P<partition>aws[a-z-]*):iam::(?P<account>[0-9]{12}):role/(?:.*/)?(?P<name>[^/]+)$", var.aws_role) : null
  aws_sessions = local.aws == null ? "" : "arn:${local.aws.partition}:sts::${local.aws.account}:assumed-role/${local.aws.name}"

  outsider = local.aws != null ? "aws" : var.azure_identity != null ? "azure" : ""
  condition = {
    ""    = null
    aws   = "attribute.aws_role == '${local.aws_sessions}'"
    azure = "assertion.sub == '${try(var.azure_identity.object_id, "")}'"
  }[local.outsider]

  identity_pool = "skylift-${substr(local.identity, 0, 12)}"
  identities    = local.outsider == "" ? "" : "projects/${data.google_project.this[0].number}/locations/global/workloadIdentityPools/${local.identity_pool}"
  outsiders = {
    ""    = ""
    aws   = "principalSet://iam.googleapis.com/${local.identities}/attribute.aws_role/${local.aws_sessions}"
    azure = "principal://iam.googleapis.com/${local.identities}/subject/${try(var.azure_identity.object_id, "")}"
  }[local.outsider]
  way_in = merge(
    local.outsider != "" ? { workload_identity_provider = "${local.identities}/providers/${local.outsider}" } : {},
    local.outsider == "azure" ? { azure_application = var.azure_identity.application } : {},
  )
}

data "google_project" "this" {
  count = local.outsider != "" ? 1 : 0

  project_id = var.project
}

resource "google_iam_workload_identity_pool" "this" {
  count = local.outsider != "" ? 1 : 0

  project                   = var.project
  workload_identity_pool_id = local.identity_pool
  description               = "Dispatchers ${local.described}"

  depends_on = [google_project_service.this]
}

resource "google_iam_workload_identity_pool_provider" "this" {
  count = local.outsider != "" ? 1 : 0

  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.this[0].workload_identity_pool_id
  workload_identity_pool_provider_id = local.outsider
  description                        = "The dispatcher's cloud ${local.described}"
  attribute_mapping                  = local.shared.federation[local.outsider]
  attribute_condition                = local.condition

  dynamic "aws" {
    for_each = local.outsider == "aws" ? [local.aws.account] : []

    content {
      account_id = aws.value
    }
  }

  dynamic "oidc" {
    for_each = local.outsider == "azure" ? [var.azure_identity] : []

    content {
      issuer_uri        = "https://sts.windows.net/${oidc.value.tenant}"
      allowed_audiences = [oidc.value.application]
    }
  }
}

# Whoever else has this role is taken it from.
resource "google_service_account_iam_binding" "federation" {
  count = local.outsider != "" ? 1 : 0

  service_account_id = "projects/${var.project}/serviceAccounts/${local.pushing_email}"
  role               = local.shared.roles.federate
  members            = [local.outsiders]

  depends_on = [google_service_account.pushing, google_iam_workload_identity_pool_provider.this]
}
