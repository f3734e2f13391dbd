# A pool whose runs are pushed by Skylift's functions in the same project. `terraform apply` tells Skylift of it: set
# SKYLIFT_API_URL and SKYLIFT_API_KEY first.

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

variable "installation_id" {
  description = "Id of the Skylift installation: curl $SKYLIFT_API_URL/skylift/installation"
  type        = string
  default     = "00000000-0000-0000-0000-000000000000"
}

provider "google" {
  project = var.project
}

module "nightly" {
  source = "../.."

  name              = "nightly"
  description       = "What runs at night"
  installation_id   = var.installation_id
  project           = var.project
  region            = "europe-west1"
  concurrency_limit = 20
  events_to         = "projects/${var.project}/topics/skylift-events"

  # What the module for the service has as its output `pushing_members`.
  dispatchers = [
    for each in ["schedule", "dispatch", "observe"] : "serviceAccount:skylift-${each}@${var.project}.iam.gserviceaccount.com"
  ]
}

# What the flows may do is yours to say.
resource "google_project_iam_member" "flows" {
  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = "serviceAccount:${module.nightly.runtime_service_account}"
}

output "registry" {
  description = "Where to push images to."
  value       = module.nightly.registry
}
