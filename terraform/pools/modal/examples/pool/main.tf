# A pool in the Modal environment `flows`. `terraform apply` tells Skylift of it: set SKYLIFT_API_URL, SKYLIFT_API_KEY
# and TF_VAR_token_secret first.

terraform {
  required_version = ">= 1.11"
}

variable "installation_id" {
  description = "Id of the Skylift installation: curl $SKYLIFT_API_URL/skylift/installation"
  type        = string
  default     = "00000000-0000-0000-0000-000000000000"
}

variable "token_id" {
  description = "Id of the token of a service user that may use the environment."
  type        = string
  default     = "ak-0000"
}

variable "token_secret" {
  description = "The secret of that token; needed when something of the pool changes."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}

module "nightly" {
  source = "../.."

  name              = "nightly"
  description       = "What runs at night"
  installation_id   = var.installation_id
  concurrency_limit = 20
  environment       = "flows"
  token_id          = var.token_id
  token_secret      = var.token_secret
}

output "app_name" {
  description = "The Modal App to look at."
  value       = module.nightly.app_name
}
