# A `modal:push` work pool. There is no provider of Modal's for Terraform, so nothing is made in Modal: Skylift is told of
# an environment that is there, and of a token that may use it.

locals {
  # As --provision-infra calls it. Modal has no marks, so it takes more letters that nobody else has.
  identity = sha256("${var.installation_id}/${var.name}")
  plain    = trim(substr(trim(replace(lower(var.name), "/[^a-z0-9]+/", "-"), "-"), 0, 24), "-")
  stem     = join("-", compact(["skylift", local.plain, substr(local.identity, 0, 12)]))

  credentials = { block_type = "modal-credentials", variable = "modal_credentials" }
  registration = {
    name              = var.name
    type              = "modal:push"
    description       = var.description
    concurrency_limit = var.concurrency_limit
    variables = {
      environment_name = var.environment
      app_name         = var.app != "" ? var.app : local.stem
      pool_secret      = try(var.pool_secret.name, null)
    }
    credentials             = merge(local.credentials, { data = { token_id = var.token_id } })
    admission_secret_sha256 = try(var.pool_secret.sha256, null)
  }
}

# Doing it again changes nothing, so it is done whenever something of it is new.
resource "terraform_data" "registration" {
  count = var.register ? 1 : 0

  triggers_replace = [local.registration, var.token_version]

  provisioner "local-exec" {
    command = "if [ -z \"$TOKEN_SECRET\" ]; then echo 'Set TF_VAR_token_secret: Skylift has to be told of the pool' >&2; exit 1; fi; skylift work-pool register"
    environment = {
      TOKEN_SECRET = var.token_secret
      SKYLIFT_REGISTRATION = jsonencode(merge(local.registration, {
        credentials = merge(local.credentials, { data = { token_id = var.token_id, token_secret = var.token_secret } })
      }))
    }
  }
}
