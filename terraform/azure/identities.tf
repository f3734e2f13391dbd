# Who the app is, and what it may do. Rights to push runs come with the identities of the pools (pool_identity_ids).

locals {
  taken = { for pair in setproduct(keys(local.queues), local.platform.roles.queues) :
    "${pair[0]}: ${pair[1]}" => { queue = azurerm_storage_queue.wakeups[pair[0]].id, role = pair[1] }
  }
  set_aside = { for pair in setproduct(keys(local.poisons), local.platform.roles.poison_queues) :
    "${pair[0]}-poison: ${pair[1]}" => { queue = azurerm_storage_queue.poison[pair[0]].id, role = pair[1] }
  }
  secrets = {
    sealing-keys = azurerm_key_vault_secret.sealing_keys.resource_versionless_id
    admin-key    = azurerm_key_vault_secret.admin_key.resource_versionless_id
    database-url = azurerm_key_vault_secret.database_url.resource_versionless_id
  }
}

resource "azurerm_user_assigned_identity" "app" {
  name                = local.app
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags
}

resource "azurerm_role_assignment" "queues" {
  for_each = merge(local.taken, local.set_aside)

  scope                = each.value.queue
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

# The runtime's: locks of its timers, and the package.
resource "azurerm_role_assignment" "storage" {
  scope                = azurerm_storage_account.this.id
  role_definition_name = local.platform.roles.storage_account[0]
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "secrets" {
  for_each = local.secrets

  scope                = each.value
  role_definition_name = local.platform.roles.secrets[0]
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "telemetry" {
  scope                = azurerm_application_insights.this.id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}
