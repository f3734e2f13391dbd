# Everything that an `azure-container-instance:push` work pool needs: what `skylift work-pool create --provision-infra`
# makes, with the same names and rights. What it reads in pool.json is written from the code (functions/terraform_data.py).

data "azurerm_client_config" "this" {}

locals {
  subscription = "/subscriptions/${data.azurerm_client_config.this.subscription_id}"

  # The pool's name as far as Azure takes it, and letters that tell pools and installations apart.
  identity = sha256("${var.installation_id}/${var.name}")
  plain    = trim(substr(trim(replace(lower(var.name), "/[^a-z0-9]+/", "-"), "-"), 0, 24), "-")
  stem     = join("-", compact(["skylift", local.plain, substr(local.identity, 0, 8)]))

  shared = jsondecode(file("${path.module}/pool.json"))
  group  = var.resource_group != "" ? var.resource_group : local.stem
  # As Azure writes it, whether the group is made here or not: names of rights are made of it.
  group_id = "${local.subscription}/resourceGroups/${local.group}"
  registry = var.registry == null ? azurerm_container_registry.this[0] : data.azurerm_container_registry.given[0]

  marks = { "skylift:installation" = var.installation_id, "skylift:work-pool" = var.name }
  tags  = merge(var.tags, local.marks)
  mark  = "Made by Skylift for a work pool: ${join(", ", [for name, value in local.marks : "${name}=${value}"])}"

  # Of the names of rights, which have to be GUIDs.
  who = join("/", [var.installation_id, var.name, data.azurerm_client_config.this.subscription_id, local.group])
}

resource "azurerm_resource_group" "this" {
  count = var.resource_group == "" ? 1 : 0

  name     = local.stem
  location = var.location
  tags     = local.tags
}

resource "azurerm_container_registry" "this" {
  #checkov:skip=CKV_AZURE_139:Whoever builds images reaches it from anywhere; without a password nobody gets in
  #checkov:skip=CKV_AZURE_163:Scanning images is Defender's, which is bought for a whole subscription
  #checkov:skip=CKV_AZURE_164:Trust in images belongs to the Premium tier, which costs money while nothing runs
  #checkov:skip=CKV_AZURE_165:Copies in other regions belong to the Premium tier
  #checkov:skip=CKV_AZURE_166:Quarantine of images belongs to the Premium tier
  #checkov:skip=CKV_AZURE_167:Retention of untagged images belongs to the Premium tier
  #checkov:skip=CKV_AZURE_233:Redundancy over zones belongs to the Premium tier
  #checkov:skip=CKV_AZURE_237:Dedicated data endpoints belong to the Premium tier
  count = var.registry == null ? 1 : 0

  name                = "skylift${replace(local.plain, "-", "")}${substr(local.identity, 0, 12)}"
  resource_group_name = local.group
  location            = var.location
  sku                 = local.shared.registry_sku
  admin_enabled       = false
  tags                = local.tags

  depends_on = [azurerm_resource_group.this]
}

data "azurerm_container_registry" "given" {
  count = var.registry == null ? 0 : 1

  name                = var.registry.name
  resource_group_name = var.registry.resource_group
}
