# Skylift in one project, with a database that is there already:
#
#   make package
#   TF_VAR_database_url=postgresql://… terraform apply -var project=…

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.0"
    }
  }
}

variable "project" {
  description = "Id of the Google Cloud project."
  type        = string
  default     = "example-project"
}

variable "database_url" {
  description = "URL of the database; needed the first time, and when it changes."
  type        = string
  default     = null
  ephemeral   = true
}

variable "packages_dir" {
  description = "What `make package` made."
  type        = string
  default     = "../../../../dist"
}

variable "console_folder" {
  description = "What `skylift ui export FOLDER --api-url …` wrote; null: no console."
  type        = string
  default     = null
}

provider "google" {
  project = var.project
}

resource "google_monitoring_notification_channel" "operators" {
  display_name = "Skylift's operators"
  type         = "email"
  labels       = { email_address = "operators@example.com" }
}

module "skylift" {
  source = "../.."

  project               = var.project
  region                = "europe-west1"
  packages_dir          = var.packages_dir
  database_url          = var.database_url
  console_folder        = var.console_folder
  notification_channels = [google_monitoring_notification_channel.operators.id]
}

output "api_url" {
  description = "Where the API is."
  value       = module.skylift.api_url
}

output "console_url" {
  description = "Where the console is; null where there is none."
  value       = module.skylift.console_url
}

output "admin_key_secret" {
  description = "Where the admin's API key is: gcloud secrets versions access latest --secret …"
  value       = module.skylift.admin_key_secret
}

output "pushing_members" {
  description = "For `dispatchers` of the module for Cloud Run pools."
  value       = module.skylift.pushing_members
}

output "events_topic" {
  description = "For `events_to` of the module for Cloud Run pools."
  value       = module.skylift.events_topic
}
