output "registration" {
  description = "What Skylift has to know of the pool, for `skylift work-pool register`; without the token's secret, which the module passes on itself."
  value       = local.registration
}

output "app_name" {
  description = "Name of the Modal App that sandboxes belong to."
  value       = local.registration.variables.app_name
}
