# The function app. Its functions, queues and roles are in platform.json, which is written from the code
# (functions/terraform_data.py).

data "azurerm_client_config" "this" {}

locals {
  platform = jsondecode(file("${path.module}/platform.json"))
  tags     = merge(var.tags, { "skylift:service" = var.name })

  # Of names that there may be once only in all of Azure.
  unique = substr(sha256("${data.azurerm_client_config.this.subscription_id}/${var.name}"), 0, 8)
  plain  = replace(var.name, "-", "")
  app    = "${var.name}-${local.unique}"

  host    = "https://${local.app}.azurewebsites.net"
  api_url = var.api_url != "" ? var.api_url : "${local.host}/api"

  settings = merge(
    local.console_settings,
    var.settings,
    {
      SKYLIFT_API_URL           = local.api_url
      SKYLIFT_API_KEY_FROM      = azurerm_key_vault_secret.admin_key.versionless_id
      SKYLIFT_DATABASE_URL_FROM = azurerm_key_vault_secret.database_url.versionless_id
      SKYLIFT_SECRET_KEY_FROM   = azurerm_key_vault_secret.sealing_keys.versionless_id
      SKYLIFT_LOG_LEVEL         = var.log_level

      SKYLIFT_QUEUES__queueServiceUri = local.queue_endpoint
      SKYLIFT_QUEUES__credential      = "managedidentity"
      SKYLIFT_QUEUES__clientId        = azurerm_user_assigned_identity.app.client_id

      AzureWebJobsStorage__accountName = azurerm_storage_account.this.name
      AzureWebJobsStorage__credential  = "managedidentity"
      AzureWebJobsStorage__clientId    = azurerm_user_assigned_identity.app.client_id

      APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "ClientId=${azurerm_user_assigned_identity.app.client_id};Authorization=AAD"
    },
  )
}

resource "azurerm_resource_group" "this" {
  name     = local.app
  location = var.location
  tags     = local.tags
}

resource "azurerm_service_plan" "this" {
  #checkov:skip=CKV_AZURE_211:Flex Consumption is what costs nothing while nothing runs
  #checkov:skip=CKV_AZURE_212:Instances are there when something calls, and none otherwise
  #checkov:skip=CKV_AZURE_225:Redundancy over zones is for plans whose instances stay
  name                = local.app
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  os_type             = "Linux"
  sku_name            = "FC1"
  tags                = local.tags
}

resource "azurerm_function_app_flex_consumption" "this" {
  name                = local.app
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  service_plan_id     = azurerm_service_plan.this.id
  tags                = local.tags

  runtime_name           = "python"
  runtime_version        = "3.13"
  instance_memory_in_mb  = var.memory_mb
  maximum_instance_count = var.max_instances
  http_concurrency       = local.platform.http_concurrency
  https_only             = true

  storage_container_type            = "blobContainer"
  storage_container_endpoint        = "${azurerm_storage_account.this.primary_blob_endpoint}${azurerm_storage_container.package.name}"
  storage_authentication_type       = "UserAssignedIdentity"
  storage_user_assigned_identity_id = azurerm_user_assigned_identity.app.id
  zip_deploy_file                   = "${var.packages_dir}/${one(fileset(var.packages_dir, "skylift-azure-*.zip"))}"

  # Deploying takes Azure's own sign-in, and no password.
  webdeploy_publish_basic_authentication_enabled = false

  virtual_network_subnet_id = var.subnet_id != "" ? var.subnet_id : null
  app_settings              = local.settings

  identity {
    type         = "UserAssigned"
    identity_ids = concat([azurerm_user_assigned_identity.app.id], var.pool_identity_ids)
  }

  dynamic "always_ready" {
    for_each = var.always_ready

    content {
      name           = always_ready.key
      instance_count = always_ready.value
    }
  }

  site_config {
    application_insights_connection_string = azurerm_application_insights.this.connection_string
    minimum_tls_version                    = "1.2"
    http2_enabled                          = true
  }

  # An app that is started before it may do anything only fails.
  depends_on = [
    azurerm_role_assignment.storage,
    azurerm_role_assignment.queues,
    azurerm_role_assignment.secrets,
    azurerm_role_assignment.telemetry,
  ]
}
