# Skylift in one account, with a database that is there already:
#
#   make package
#   TF_VAR_database_url=postgresql://… terraform apply

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
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
  description = "What `skylift ui export FOLDER` wrote; null: no console."
  type        = string
  default     = null
}

resource "aws_sns_topic" "alarms" {
  name              = "skylift-alarms"
  kms_master_key_id = "alias/aws/sns"
}

module "skylift" {
  source = "../.."

  packages_dir   = var.packages_dir
  database_url   = var.database_url
  console_folder = var.console_folder
  alarm_actions  = [aws_sns_topic.alarms.arn]
}

output "api_url" {
  description = "Where the API is."
  value       = module.skylift.api_url
}

output "console_url" {
  description = "Where the console is; null where there is none."
  value       = module.skylift.console_url
}

output "admin_key_arn" {
  description = "Where the admin's API key is: aws secretsmanager get-secret-value --secret-id …"
  value       = module.skylift.admin_key_arn
}
