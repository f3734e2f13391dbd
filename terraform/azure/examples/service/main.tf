# Skylift in one subscription, with a database that is there already:
#
#   make package
#   TF_VAR_database_url=postgresql://… terraform apply

terraform {
  required_version = ">= 1.11"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }
}

provider "azurerm" {
  subscription_id = var.subscription_id
  # Nobody has a key of the storage account, Terraform neither.
  storage_use_azuread = true
  # What a subscription has to know once; it costs nothing.
  resource_providers_to_register = ["Microsoft.App", "Microsoft.Web", "Microsoft.Storage", "Microsoft.KeyVault", "Microsoft.Insights"]

  features {}
}

variable "subscription_id" {
  description = "The Azure subscription that everything is made in."
  type        = string
  default     = "00000000-0000-0000-0000-000000000000"
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

variable "pool_identity_ids" {
  description = "Identities of the pools, once there are some."
  type        = list(string)
  default     = []
}

module "skylift" {
  source = "../.."

  location          = "westeurope"
  packages_dir      = var.packages_dir
  database_url      = var.database_url
  console_folder    = var.console_folder
  pool_identity_ids = var.pool_identity_ids
}

output "api_url" {
  description = "Where the API is."
  value       = module.skylift.api_url
}

output "console_url" {
  description = "Where the console is; null where there is none."
  value       = module.skylift.console_url
}

output "admin_key_id" {
  description = "Where the admin's API key is: az keyvault secret show --id …"
  value       = module.skylift.admin_key_id
}
