# What the app reads by reference. No value is in the plan or in the state: it is made on the way, or given, and written
# to Key Vault.

resource "azurerm_key_vault" "this" {
  #checkov:skip=CKV_AZURE_109:The app reaches it over Azure's public endpoints, and nobody without a right reads anything
  #checkov:skip=CKV_AZURE_189:The app reaches it over Azure's public endpoints, and nobody without a right reads anything
  #checkov:skip=CKV2_AZURE_32:A private endpoint costs money while nothing runs, and there is nobody without a right
  name                = substr("${local.plain}-${local.unique}", 0, 24)
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags

  tenant_id                  = data.azurerm_client_config.this.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = var.secret_recovery_days
}

# Whoever applies this writes the secrets. Azure may take minutes to put the right into effect: apply again then.
resource "azurerm_role_assignment" "writer" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = data.azurerm_client_config.this.object_id
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
resource "azurerm_key_vault_secret" "sealing_keys" {
  #checkov:skip=CKV_AZURE_41:Nobody would read what is sealed after they had expired; they are rotated as the README says
  name             = "sealing-keys"
  key_vault_id     = azurerm_key_vault.this.id
  content_type     = "Fernet keys, one a line, the newest first"
  value_wo         = replace(replace(base64sha256(ephemeral.random_password.sealing_key.result), "+", "-"), "/", "_")
  value_wo_version = 1
  tags             = local.tags

  depends_on = [azurerm_role_assignment.writer]
}

resource "azurerm_key_vault_secret" "admin_key" {
  #checkov:skip=CKV_AZURE_41:It is made anew by admin_key_version, when you say so
  name             = "admin-key"
  key_vault_id     = azurerm_key_vault.this.id
  content_type     = "An admin's key for Skylift's API"
  value_wo         = ephemeral.random_password.admin_key.result
  value_wo_version = var.admin_key_version
  tags             = local.tags

  depends_on = [azurerm_role_assignment.writer]
}

resource "azurerm_key_vault_secret" "database_url" {
  #checkov:skip=CKV_AZURE_41:It is valid for as long as the database takes it
  name             = "database-url"
  key_vault_id     = azurerm_key_vault.this.id
  content_type     = "URL of Skylift's database"
  value_wo         = var.database_url
  value_wo_version = var.database_url_version
  tags             = local.tags

  depends_on = [azurerm_role_assignment.writer]
}
