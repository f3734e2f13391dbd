# A pool in a VPC of its own. `terraform apply` tells Skylift of it: set SKYLIFT_API_URL and SKYLIFT_API_KEY first.

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
  concurrency_limit = 20
  create_vpc        = true
}

# What the flows may do is yours to say.
resource "aws_iam_role_policy" "flows" {
  name = "read-the-data"
  role = module.nightly.task_role_name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["arn:aws:s3:::example-data/*"]
    }]
  })
}

output "repository_url" {
  description = "Where to push images to."
  value       = module.nightly.repository_url
}
