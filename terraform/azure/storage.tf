# One account for the queues of wakeups, the package, and what the runtime keeps of its timers. Nobody gets in by a key.

locals {
  queues  = local.platform.queues
  poisons = local.platform.poison_queues

  queue_endpoint = trimsuffix(azurerm_storage_account.this.primary_queue_endpoint, "/")
}

resource "azurerm_storage_account" "this" {
  #checkov:skip=CKV2_AZURE_1:Azure encrypts with keys of its own, and no message or package holds a secret
  #checkov:skip=CKV2_AZURE_33:A private endpoint costs money while nothing runs, and there is nobody without a right
  #checkov:skip=CKV_AZURE_33:Logs of each poll of a queue cost more than the polls
  #checkov:skip=CKV_AZURE_43:checkov cannot work the name out; the module's tests see that it keeps to the rules
  #checkov:skip=CKV_AZURE_59:The runtime and its scale controller reach it over Azure's public endpoints
  #checkov:skip=CKV_AZURE_206:A lost queue is made good by the timer, and a package is built anew
  #checkov:skip=CKV2_AZURE_38:Nothing in it is worth recovering: wakeups, locks and the package
  #checkov:skip=CKV2_AZURE_41:Nobody has a key to sign with
  name                = substr("${local.plain}${local.unique}", 0, 24)
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags

  account_tier                     = "Standard"
  account_replication_type         = "LRS"
  min_tls_version                  = "TLS1_2"
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  local_user_enabled               = false
}

resource "azurerm_storage_queue" "wakeups" {
  for_each = local.queues

  name               = each.value
  storage_account_id = azurerm_storage_account.this.id
}

resource "azurerm_storage_queue" "poison" {
  for_each = local.poisons

  name               = each.value
  storage_account_id = azurerm_storage_account.this.id
}

resource "azurerm_storage_container" "package" {
  #checkov:skip=CKV2_AZURE_21:Who read the package is of no interest, and logs of it cost money
  name                  = "package"
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"
}
