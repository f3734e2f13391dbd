output "api_url" {
  description = "Where the API is: SKYLIFT_API_URL and PREFECT_API_URL."
  value       = local.api_url
}

output "console_url" {
  description = "Where the console is; null where there is none."
  value       = local.console_url
}

output "admin_key_secret" {
  description = "Name of the secret that holds the admin's API key."
  value       = local.secret_ids["admin-key"]
}

output "sealing_keys_secret" {
  description = "Name of the secret that holds the sealing keys. Back it up with the database: one is nothing without the other."
  value       = local.secret_ids["sealing-keys"]
}

output "database_url_secret" {
  description = "Full name of the secret that holds the database's URL."
  value       = "projects/${local.secret_projects["database-url"]}/secrets/${local.secret_ids["database-url"]}"
}

output "function_urls" {
  description = "Addresses of the functions, by verb."
  value       = local.urls
}

output "pushing_members" {
  description = "Who pushes runs: `dispatchers` of the module for Cloud Run pools."
  value       = [for name, each in local.functions : "serviceAccount:${google_service_account.function[name].email}" if each.pushes]
}

output "events_topic" {
  description = "Full name of the topic that pools send the ends of their runs to: `events_to` of the module for Cloud Run pools."
  value       = "projects/${var.project}/topics/${google_pubsub_topic.events.name}"
}

output "invoker" {
  description = "Email of the service account that wakes the functions."
  value       = google_service_account.invoker.email
}

output "queues" {
  description = "Names of the queues of wakeups, by verb."
  value       = { for verb, each in google_cloud_tasks_queue.wakeups : verb => each.name }
}

output "alert_policies" {
  description = "Names of the alert policies."
  value       = [for each in google_monitoring_alert_policy.this : each.name]
}
