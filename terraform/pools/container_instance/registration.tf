# What Skylift is told. Doing it again changes nothing, so it is done whenever something of it is new.

locals {
  registration = {
    name              = var.name
    type              = "azure-container-instance:push"
    description       = var.description
    concurrency_limit = var.concurrency_limit
    variables = merge(
      {
        subscription_id     = data.azurerm_client_config.this.subscription_id
        resource_group_name = local.group
        location            = var.location
        image_registry = {
          registry_url = local.registry.login_server
          identity     = azurerm_user_assigned_identity.pull.id
        }
        identities = [azurerm_user_assigned_identity.pull.id]
      },
      length(var.subnets) > 0 ? { subnet_ids = var.subnets } : {},
    )
    credentials = {
      block_type = "azure-container-instance-credentials"
      variable   = "aci_credentials"
      data = {
        client_id = azurerm_user_assigned_identity.dispatcher.client_id
        tenant_id = data.azurerm_client_config.this.tenant_id
      }
    }
  }
}

resource "terraform_data" "registration" {
  count = var.register ? 1 : 0

  triggers_replace = [local.registration]

  provisioner "local-exec" {
    command     = "skylift work-pool register"
    environment = { SKYLIFT_REGISTRATION = jsonencode(local.registration) }
  }

  # A pool that is told of an identity has to be able to use it.
  depends_on = [
    azurerm_role_assignment.pull,
    azurerm_role_assignment.dispatcher,
    azurerm_federated_identity_credential.dispatcher,
  ]
}
