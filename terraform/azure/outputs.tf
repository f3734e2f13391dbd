output "api_url" {
  description = "Where the API is: SKYLIFT_API_URL and PREFECT_API_URL."
  value       = local.api_url
}

output "console_url" {
  description = "Where the console is; null where there is none."
  value       = local.console_url
}

output "admin_key_id" {
  description = "Address of the secret that holds the admin's API key, for `az keyvault secret show --id`."
  value       = azurerm_key_vault_secret.admin_key.versionless_id
}

output "sealing_keys_id" {
  description = "Address of the secret that holds the sealing keys. Back it up with the database: one is nothing without the other."
  value       = azurerm_key_vault_secret.sealing_keys.versionless_id
}

output "key_vault_name" {
  description = "Name of the vault that holds the secrets."
  value       = azurerm_key_vault.this.name
}

output "resource_group" {
  description = "Name of the resource group that everything is in."
  value       = azurerm_resource_group.this.name
}

output "app_name" {
  description = "Name of the function app."
  value       = azurerm_function_app_flex_consumption.this.name
}

output "app_id" {
  description = "Id of the function app, for subscriptions of Event Grid: its function is observe_event."
  value       = azurerm_function_app_flex_consumption.this.id
}

output "identity_client_id" {
  description = "Client id of the app's own identity."
  value       = azurerm_user_assigned_identity.app.client_id
}

output "storage_account_name" {
  description = "Name of the storage account with the queues."
  value       = azurerm_storage_account.this.name
}

output "alert_ids" {
  description = "Ids of the alerts, by name."
  value       = { for name, each in azurerm_monitor_scheduled_query_rules_alert_v2.this : name => each.id }
}
