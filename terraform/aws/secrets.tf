# What the functions read by reference. No value is in the plan or in the state: it is made on the way, or given, and
# written to Secrets Manager.

locals {
  makes_url = var.database_url_arn == "" && !var.create_dsql
  secrets = merge(
    {
      "sealing-keys" = "Seals Skylift's secrets: Fernet keys, one a line, the newest first"
      "admin-key"    = "An admin's key for Skylift's API"
    },
    local.makes_url ? { "database-url" = "URL of Skylift's database" } : {},
  )
  database_url_arn = local.makes_url ? aws_secretsmanager_secret.this["database-url"].arn : var.database_url_arn
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV_AWS_149:Secrets Manager encrypts with a key of its own, which costs nothing
  #checkov:skip=CKV2_AWS_57:Sealing keys and the admin's key are rotated as the README says, for what they sealed has to be sealed anew
  for_each = local.secrets

  name                    = "${var.name}/${each.key}"
  description             = each.value
  recovery_window_in_days = var.secret_recovery_days
  tags                    = local.tags
}

ephemeral "aws_secretsmanager_random_password" "sealing_key" {
  password_length     = 64
  exclude_punctuation = true
}

ephemeral "aws_secretsmanager_random_password" "admin_key" {
  password_length     = 43
  exclude_punctuation = true
}

# A Fernet key is 32 bytes in the alphabet of URLs. Written once: rotation puts a new key before it, and is not undone.
resource "aws_secretsmanager_secret_version" "sealing_keys" {
  secret_id = aws_secretsmanager_secret.this["sealing-keys"].id
  secret_string_wo = replace(replace(
    base64sha256(ephemeral.aws_secretsmanager_random_password.sealing_key.random_password), "+", "-"), "/", "_"
  )
  secret_string_wo_version = 1
}

resource "aws_secretsmanager_secret_version" "admin_key" {
  secret_id                = aws_secretsmanager_secret.this["admin-key"].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.admin_key.random_password
  secret_string_wo_version = var.admin_key_version
}

resource "aws_secretsmanager_secret_version" "database_url" {
  count = local.makes_url ? 1 : 0

  secret_id                = aws_secretsmanager_secret.this["database-url"].id
  secret_string_wo         = var.database_url
  secret_string_wo_version = var.database_url_version
}
