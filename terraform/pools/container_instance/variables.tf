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

variable "location" {
  description = "Azure's name of the region that everything is made in, such as westeurope."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+$", var.location))
    error_message = "The name of a location has small letters and digits, such as westeurope."
  }
}

variable "resource_group" {
  description = "Name of a resource group that is there already: the pool's rights are for all container groups in it. Empty: one is made."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[A-Za-z0-9._()-]{0,90}$", var.resource_group)) && !endswith(var.resource_group, ".")
    error_message = "The name of a resource group has at most 90 letters, digits and . _ - ( ), and does not end with a dot."
  }
}

variable "registry" {
  description = "A container registry that is there already, by its name and resource group. Null: one is made."
  type        = object({ name = string, resource_group = string })
  default     = null

  validation {
    condition     = var.registry == null || can(regex("^[A-Za-z0-9]{5,50}$", var.registry.name))
    error_message = "The name of a registry has 5 to 50 letters and digits."
  }
}

variable "subnets" {
  description = "Ids of subnets that runs get addresses in. Empty: Azure's own network."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.subnets : can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\\.Network/.+/subnets/[^/]+$", each))])
    error_message = "The id of a subnet looks like /subscriptions/…/resourceGroups/…/providers/Microsoft.Network/virtualNetworks/…/subnets/…."
  }
}

variable "dispatcher" {
  description = "Who pushes runs, by issuer and subject of its tokens, where Skylift does not run in Azure. Null: give the identity to the function app or machine that Skylift runs as."
  type        = object({ issuer = string, subject = string })
  default     = null

  validation {
    condition     = var.dispatcher == null || try(startswith(var.dispatcher.issuer, "https://") && length(var.dispatcher.subject) > 0, false)
    error_message = "Give the https address of the issuer, and a subject."
  }
}

variable "tags" {
  description = "More tags for everything that is made."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for each in keys(var.tags) : !startswith(each, "skylift:")])
    error_message = "Tags that begin with skylift: are not yours to set."
  }
}
