variable "name" {
  description = "Name of the work pool."
  type        = string

  validation {
    condition     = length(var.name) > 0 && length(var.name) <= 255 && !can(regex("[/%&><]", var.name))
    error_message = "The name of a work pool has 1 to 255 characters, and none of / % & > <."
  }
}

variable "installation_id" {
  description = "Id of the Skylift installation, as `GET /api/skylift/installation` answers it: part of every name, so that pools of two installations never meet."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.installation_id))
    error_message = "The id of an installation is a UUID in lower case."
  }
}

variable "register" {
  description = "Whether to tell Skylift of the pool by `skylift work-pool register`, which has to be installed where Terraform runs and finds the API by SKYLIFT_API_URL and SKYLIFT_API_KEY. Without it, pass the output `registration` on yourself."
  type        = bool
  default     = true
}

variable "description" {
  description = "What the pool is for. Null: as it is in Skylift."
  type        = string
  default     = null

  validation {
    condition     = var.description == null || try(length(var.description) > 0, false)
    error_message = "An empty description says nothing: leave it out."
  }
}

variable "concurrency_limit" {
  description = "How many runs may occupy the pool at once. Null: as it is in Skylift."
  type        = number
  default     = null

  validation {
    condition     = var.concurrency_limit == null || try(var.concurrency_limit >= 0 && floor(var.concurrency_limit) == var.concurrency_limit, false)
    error_message = "A concurrency limit is a whole number, not below 0."
  }
}

variable "cluster" {
  description = "Name of an ECS cluster that is there already. Empty: one is made."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{0,255}$", var.cluster))
    error_message = "The name of a cluster has letters, digits, hyphens and underscores; give a name, not an ARN."
  }
}

variable "repository" {
  description = "Name of an ECR repository that is there already. Empty: one is made."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[a-z0-9._/-]{0,256}$", var.repository))
    error_message = "The name of a repository has small letters, digits and . _ - /."
  }
}

variable "subnets" {
  description = "Ids of subnets of one VPC that runs get addresses in. Empty: those of the default VPC, or with `create_vpc` new ones."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.subnets : can(regex("^subnet-[0-9a-f]+$", each))])
    error_message = "The id of a subnet looks like subnet-0123456789abcdef0."
  }
}

variable "create_vpc" {
  description = "Whether to make a VPC with public subnets in up to three zones, where there is no default VPC and no subnets are given."
  type        = bool
  default     = false

  validation {
    condition     = !(var.create_vpc && length(var.subnets) > 0)
    error_message = "Either give subnets or have a VPC made."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made; a /16, for it is cut in four."
  type        = string
  default     = "10.214.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.vpc_cidr, 2, 0)) && can(regex("/16$", var.vpc_cidr))
    error_message = "Give a /16 block such as 10.214.0.0/16."
  }
}

variable "security_group" {
  description = "Id of a security group for the runs. Empty: one is made, which lets nothing in."
  type        = string
  default     = ""

  validation {
    condition     = var.security_group == "" || can(regex("^sg-[0-9a-f]+$", var.security_group))
    error_message = "The id of a security group looks like sg-0123456789abcdef0."
  }
}

variable "dispatcher" {
  description = "ARN of whoever Skylift runs as, such as the role of its functions, also in another account. Empty: whoever in this account may assume roles."
  type        = string
  default     = ""

  validation {
    condition     = var.dispatcher == "" || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:", var.dispatcher))
    error_message = "Give the ARN of a role, a user or an account."
  }
}

variable "events_to" {
  description = "ARN of the queue or function in this account and region that is told of task states. Empty: none is; the module for the service has a rule for its own account."
  type        = string
  default     = ""

  validation {
    condition     = var.events_to == "" || can(regex("^arn:[a-z-]+:(sqs:[a-z0-9-]+:[0-9]{12}:|lambda:[a-z0-9-]+:[0-9]{12}:function:)[a-zA-Z0-9_-]+$", var.events_to))
    error_message = "Give the ARN of a queue or of a function."
  }
}

variable "events_queue_policy" {
  description = "Whether to write the policy of the queue in `events_to`, as a whole: not where others write it too; then add the output `events_queue_statement` to theirs."
  type        = bool
  default     = true
}

variable "admission_secret_version" {
  description = "Raise it to make the pool's secret anew. Runs that are under way with the old one and not yet admitted are refused."
  type        = number
  default     = 1

  validation {
    condition     = var.admission_secret_version >= 1 && floor(var.admission_secret_version) == var.admission_secret_version
    error_message = "The version is a whole number from 1."
  }
}

variable "secret_recovery_days" {
  description = "Days that the pool's secret can be recovered after it was removed: 0 removes it at once, so that a pool of the same name can be made again."
  type        = number
  default     = 0

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "Secrets Manager takes 0, or 7 to 30 days."
  }
}

variable "tags" {
  description = "More tags for everything that is made."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for each in keys(var.tags) : !startswith(each, "skylift:") && !startswith(each, "aws:")])
    error_message = "Tags that begin with skylift: or aws: are not yours to set."
  }
}
