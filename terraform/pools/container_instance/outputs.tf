output "registration" {
  description = "What Skylift has to know of the pool, for `skylift work-pool register`."
  value       = local.registration
}

output "registry_url" {
  description = "Where images for the pool are pushed to."
  value       = local.registry.login_server
}

output "resource_group" {
  description = "Name of the resource group that container groups are created in."
  value       = local.group
}

output "pull_identity_id" {
  description = "Id of the identity that container groups pull images with; flows have it, too."
  value       = azurerm_user_assigned_identity.pull.id
}

output "dispatcher_identity_id" {
  description = "Id of the identity that pushes runs: give it to the function app or machine that Skylift runs as."
  value       = azurerm_user_assigned_identity.dispatcher.id
}

output "dispatcher_client_id" {
  description = "Client id of the identity that pushes runs."
  value       = azurerm_user_assigned_identity.dispatcher.client_id
}
