variable "name" {
  description = "Name of the work pool."
  type        = string

  validation {
    condition     = length(var.name) > 0 && length(var.name) <= 255 && !can(regex("[/%&><]", var.name))
    error_message = "The name of a work pool has 1 to 255 characters, and none of / % & > <."
  }
}

variable "installation_id" {
  description = "Id of the Skylift installation, as `GET /api/skylift/installation` answers it: part of the App's name, so that pools of two installations never meet."
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

variable "environment" {
  description = "Name of a Modal environment that is there already: `modal environment create` makes one. No provider for Terraform does."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$", var.environment))
    error_message = "The name of an environment has at most 64 letters, digits, hyphens and underscores."
  }
}

variable "app" {
  description = "Name of the Modal App that sandboxes belong to; Skylift makes it where it is not there. Empty: one of the pool's own."
  type        = string
  default     = ""

  validation {
    condition     = var.app == "" || can(regex("^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$", var.app))
    error_message = "The name of an App has at most 64 letters, digits, hyphens and underscores."
  }
}

variable "token_id" {
  description = "Id of the Modal token that pushes runs, best a service user's that may use this environment only."
  type        = string

  validation {
    condition     = can(regex("^ak-[A-Za-z0-9]+$", var.token_id))
    error_message = "The id of a token begins with ak-."
  }
}

variable "token_secret" {
  description = "The token's secret, which Skylift seals; neither in the plan nor in the state. Needed when Skylift is told of the pool: the first time, and when something of it changes."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = var.token_secret == null || can(regex("^as-[A-Za-z0-9]+$", var.token_secret))
    error_message = "The secret of a token begins with as-."
  }
}

variable "token_version" {
  description = "Raise it together with a new `token_secret` of the same token."
  type        = number
  default     = 1

  validation {
    condition     = var.token_version >= 1 && floor(var.token_version) == var.token_version
    error_message = "The version is a whole number from 1."
  }
}

variable "pool_secret" {
  description = "A Modal secret in this environment that admits the pool's runs, beside a nonce: its name, and the SHA-256 of what it holds under SKYLIFT_POOL_SECRET. Null: the nonce alone admits them."
  type        = object({ name = string, sha256 = string })
  default     = null

  validation {
    condition     = var.pool_secret == null || can(regex("^[0-9a-f]{64}$", var.pool_secret.sha256))
    error_message = "A SHA-256 has 64 hexadecimal digits in lower case."
  }
}
