# Who may do what: the container groups, to pull their images, and Skylift, to push runs. No right more than the
# provider's calls need, and nowhere but in the pool's resource group and the subnets that are named.

locals {
  scopes = concat([local.group_id], var.subnets)
}

resource "azurerm_user_assigned_identity" "pull" {
  name                = "${local.stem}-pull"
  resource_group_name = local.group
  location            = var.location
  tags                = local.tags

  depends_on = [azurerm_resource_group.this]
}

resource "azurerm_role_assignment" "pull" {
  name               = uuidv5(local.shared.namespace, "${local.who}/pull-right/pull")
  scope              = local.registry.id
  role_definition_id = "${local.subscription}/providers/Microsoft.Authorization/roleDefinitions/${local.shared.pull_role}"
  principal_id       = azurerm_user_assigned_identity.pull.principal_id
  principal_type     = "ServicePrincipal"
  description        = local.mark
}

resource "azurerm_user_assigned_identity" "dispatcher" {
  name                = "${local.stem}-dispatcher"
  resource_group_name = local.group
  location            = var.location
  tags                = local.tags

  depends_on = [azurerm_resource_group.this]
}

resource "azurerm_federated_identity_credential" "dispatcher" {
  count = var.dispatcher != null ? 1 : 0

  name                      = local.shared.federation
  user_assigned_identity_id = azurerm_user_assigned_identity.dispatcher.id
  issuer                    = var.dispatcher.issuer
  subject                   = var.dispatcher.subject
  audience                  = [local.shared.audience]
}

resource "azurerm_role_definition" "dispatcher" {
  name               = "Skylift ${local.stem}"
  role_definition_id = uuidv5(local.shared.namespace, "${local.who}/role")
  scope              = local.group_id
  description        = local.mark
  assignable_scopes  = distinct(concat([local.group_id], [for each in var.subnets : split("/providers/", each)[0]]))

  permissions {
    actions = local.shared.actions
  }

  depends_on = [azurerm_resource_group.this]
}

resource "azurerm_role_assignment" "dispatcher" {
  count = length(local.scopes)

  name               = uuidv5(local.shared.namespace, "${local.who}/right-${count.index}/dispatcher")
  scope              = local.scopes[count.index]
  role_definition_id = azurerm_role_definition.dispatcher.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.dispatcher.principal_id
  principal_type     = "ServicePrincipal"
  description        = local.mark
}
