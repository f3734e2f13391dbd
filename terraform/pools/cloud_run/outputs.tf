output "registration" {
  description = "What Skylift has to know of the pool, for `skylift work-pool register`; without the hash of the admission secret, which the module passes on itself."
  value       = local.registration
}

output "registry" {
  description = "Where images for the pool are pushed to; log in with `gcloud auth configure-docker` and its host."
  value       = local.registry
}

output "runtime_service_account" {
  description = "Email of the service account that the flows have; give it what they may do."
  value       = local.runtime_email
}

output "pushing_service_account" {
  description = "Email of the service account that Skylift impersonates to push runs."
  value       = google_service_account.pushing.email
}

output "admission_secret" {
  description = "Name of the secret that admits the pool's runs."
  value       = google_secret_manager_secret.admission.secret_id
}

output "events_topic" {
  description = "Full name of the topic that is told when runs end; empty where none is."
  value       = local.topic
}
