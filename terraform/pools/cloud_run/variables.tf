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

variable "type" {
  description = "Type of the work pool: `cloud-run-v2:push`, or `cloud-run:push` for deployments with job variables in the form of Cloud Run's older API."
  type        = string
  default     = "cloud-run-v2:push"

  validation {
    condition     = contains(["cloud-run-v2:push", "cloud-run:push"], var.type)
    error_message = "The type is cloud-run-v2:push or cloud-run:push."
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

variable "project" {
  description = "Id of the Google Cloud project that everything is made in."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "The id of a project looks like central-kit-405415."
  }
}

variable "region" {
  description = "Region that runs run in, such as europe-west1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "The name of a region looks like europe-west1."
  }
}

variable "repository" {
  description = "Name of an Artifact Registry repository in this region that is there already. Empty: one is made."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z]([a-z0-9-]{0,61}[a-z0-9])?)?$", var.repository))
    error_message = "The name of a repository has at most 63 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "service_account" {
  description = "Email of a service account in this project that runs are to have. Empty: one is made, which may do nothing until you give it more."
  type        = string
  default     = ""

  validation {
    condition     = var.service_account == "" || can(regex("^[a-z0-9-]+@[a-z0-9.-]+\\.gserviceaccount\\.com$", var.service_account))
    error_message = "Give the email of a service account."
  }
}

variable "dispatchers" {
  description = "Who pushes runs, as IAM's members: the output `pushing_members` of the module for the service, or whoever else Skylift runs as. Nobody else may impersonate the pushing account."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.dispatchers : can(regex("^(serviceAccount|user|group):[^:]+@[^:]+$|^principal(Set)?://", each))])
    error_message = "Members look like serviceAccount:skylift-dispatch@my-project.iam.gserviceaccount.com."
  }

  validation {
    condition     = length(var.dispatchers) > 0 || var.aws_role != "" || var.azure_identity != null
    error_message = "Name at least one dispatcher, or the role in AWS or the identity in Azure that dispatches: otherwise nobody could push a run."
  }
}

variable "aws_role" {
  description = "ARN of the role in AWS that Skylift runs as there: it becomes the pushing account by workload identity federation. Empty: none."
  type        = string
  default     = ""

  validation {
    condition     = var.aws_role == "" || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$", var.aws_role))
    error_message = "Give the ARN of a role, such as arn:aws:iam::123456789012:role/skylift-dispatch."
  }
}

variable "azure_identity" {
  description = "The managed identity in Azure that Skylift runs as there, by its tenant and object id, and the application id URI that its tokens are for: it becomes the pushing account by workload identity federation. Null: none."
  type        = object({ tenant = string, object_id = string, application = string })
  default     = null

  validation {
    condition     = var.azure_identity == null || try(can(regex("^[0-9a-f-]{36}$", var.azure_identity.tenant)) && can(regex("^[0-9a-f-]{36}$", var.azure_identity.object_id)) && startswith(var.azure_identity.application, "api://"), false)
    error_message = "Tenant and object id are GUIDs in lower case, and the application looks like api://skylift-to-google."
  }

  validation {
    condition     = var.azure_identity == null || var.aws_role == ""
    error_message = "Only one dispatcher can be in another cloud."
  }
}

variable "events_to" {
  description = "Pub/Sub topic that is told when runs end, by its name or as projects/…/topics/…: the output `events_topic` of the module for the service. Empty: none is."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(projects/[^/]+/topics/)?([A-Za-z][A-Za-z0-9._~+%-]{2,254})?$", var.events_to)) && !endswith(var.events_to, "/")
    error_message = "A topic is named like skylift-events or projects/my-project/topics/skylift-events."
  }
}

variable "create_topic" {
  description = "Whether to make the topic, where it is not there already."
  type        = bool
  default     = false
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

variable "labels" {
  description = "More labels for everything that can have some."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for each in keys(var.labels) : !startswith(each, "skylift-")])
    error_message = "Labels that begin with skylift- are not yours to set."
  }
}
