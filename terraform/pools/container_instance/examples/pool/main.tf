# A pool in a resource group of its own. `terraform apply` tells Skylift of it: set SKYLIFT_API_URL and
# SKYLIFT_API_KEY first.

terraform {
  required_version = ">= 1.11"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
  }
}

provider "azurerm" {
  subscription_id = var.subscription_id
  # What a subscription has to know once; it costs nothing.
  resource_providers_to_register = [
    "Microsoft.ContainerInstance", "Microsoft.ContainerRegistry", "Microsoft.ManagedIdentity",
  ]

  features {}
}

variable "subscription_id" {
  description = "The Azure subscription that everything is made in."
  type        = string
  default     = "00000000-0000-0000-0000-000000000000"
}

variable "installation_id" {
  description = "Id of the Skylift installation: curl $SKYLIFT_API_URL/skylift/installation"
  type        = string
  default     = "00000000-0000-0000-0000-000000000000"
}

module "nightly" {
  source = "../.."

  name              = "nightly"
  description       = "What runs at night"
  installation_id   = var.installation_id
  location          = "westeurope"
  concurrency_limit = 20
}

output "registry_url" {
  description = "Where to push images to."
  value       = module.nightly.registry_url
}

output "dispatcher_identity_id" {
  description = "For `pool_identity_ids` of the module for the service."
  value       = module.nightly.dispatcher_identity_id
}
