# Applied to stand-ins for the providers: how the parts refer to each other, and what is refused.

variables {
  location     = "westeurope"
  database_url = "postgresql://skylift:hunter2@db.example/skylift"
}

run "usual" {
  assert {
    condition     = azurerm_function_app_flex_consumption.this.app_settings["SKYLIFT_API_URL"] == output.api_url && output.api_url == "https://${output.app_name}.azurewebsites.net/api"
    error_message = "runs reach the API where it is"
  }
  assert {
    condition     = azurerm_function_app_flex_consumption.this.app_settings["SKYLIFT_DATABASE_URL_FROM"] == azurerm_key_vault_secret.database_url.versionless_id
    error_message = "the database's URL is read from the secret that is made for it"
  }
  assert {
    condition     = !strcontains(jsonencode(azurerm_function_app_flex_consumption.this.app_settings), "hunter2")
    error_message = "no secret is in the settings"
  }
  assert {
    condition     = endswith(azurerm_function_app_flex_consumption.this.zip_deploy_file, "/skylift-azure-0123456789ab.zip")
    error_message = "the package's path changes with what is in it"
  }
  assert {
    condition     = !azurerm_storage_account.this.shared_access_key_enabled && !azurerm_function_app_flex_consumption.this.webdeploy_publish_basic_authentication_enabled && !azurerm_application_insights.this.local_authentication_enabled
    error_message = "nobody gets in by a key or a password"
  }
  assert {
    condition     = alltrue([for each in azurerm_role_assignment.queues : each.principal_id == azurerm_user_assigned_identity.app.principal_id && strcontains(each.scope, "queue")])
    error_message = "the app's identity has its roles on the queues"
  }
  assert {
    condition     = length(azurerm_role_assignment.queues) == 12
    error_message = "three roles on each queue, and one on each poison queue"
  }
  assert {
    condition     = azurerm_function_app_flex_consumption.this.identity[0].identity_ids == toset([azurerm_user_assigned_identity.app.id])
    error_message = "no other identities unless asked for"
  }
  assert {
    condition     = length(azurerm_storage_account.this.name) <= 24 && can(regex("^[a-z0-9]+$", azurerm_storage_account.this.name))
    error_message = "the storage account has a name that Azure takes"
  }
  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.this["poison-queue"].criteria[0].query, "skylift-dispatch-poison")
    error_message = "a message that is put aside is told"
  }
}

run "with_what_is_there_already" {
  variables {
    name              = "flows-2"
    api_url           = "https://skylift.example/api"
    settings          = { SKYLIFT_LATE_AFTER = "30" }
    pool_identity_ids = ["/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pool"]
    subnet_id         = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/a"
    always_ready      = { "function:dispatch" = 1 }
    late_runs_allowed = 3
  }

  assert {
    condition     = azurerm_function_app_flex_consumption.this.app_settings["SKYLIFT_LATE_AFTER"] == "30" && output.api_url == "https://skylift.example/api"
    error_message = "settings reach the app"
  }
  assert {
    condition     = contains(azurerm_function_app_flex_consumption.this.identity[0].identity_ids, var.pool_identity_ids[0])
    error_message = "the app is the pools' dispatcher, too"
  }
  assert {
    condition     = azurerm_function_app_flex_consumption.this.always_ready[0].name == "function:dispatch" && azurerm_function_app_flex_consumption.this.virtual_network_subnet_id == var.subnet_id
    error_message = "instances are ready, and in the network"
  }
  assert {
    condition     = azurerm_monitor_scheduled_query_rules_alert_v2.this["late-runs"].criteria[0].threshold == 3
    error_message = "so many late runs are allowed"
  }
}

run "mistakes_are_refused" {
  command = plan

  variables {
    name                   = "Skylift!"
    location               = "West Europe"
    packages_dir           = "nowhere"
    database_url           = "mysql://db/skylift"
    database_url_version   = 0
    admin_key_version      = 0.5
    secret_recovery_days   = 3
    api_url                = "http://skylift.example"
    console_folder         = "nowhere"
    settings               = { SKYLIFT_API_KEY = "hunter2" }
    log_level              = "loud"
    log_retention_days     = 2
    memory_mb              = 1024
    max_instances          = 0
    always_ready           = { dispatch = 1 }
    subnet_id              = "here"
    pool_identity_ids      = ["somebody"]
    alert_action_group_ids = ["somebody"]
    late_runs_allowed      = -1
    sweep_hits_allowed     = -1
    tags                   = { "skylift:service" = "other" }
  }

  expect_failures = [
    var.name,
    var.location,
    var.packages_dir,
    var.database_url,
    var.database_url_version,
    var.admin_key_version,
    var.secret_recovery_days,
    var.api_url,
    var.console_folder,
    var.settings,
    var.log_level,
    var.log_retention_days,
    var.memory_mb,
    var.max_instances,
    var.always_ready,
    var.subnet_id,
    var.pool_identity_ids,
    var.alert_action_group_ids,
    var.late_runs_allowed,
    var.sweep_hits_allowed,
    var.tags,
  ]
}
