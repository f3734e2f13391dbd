variable "project" {
  description = "Id of the Google Cloud project that everything is made in."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "The id of a project looks like central-kit-405415."
  }
}

variable "region" {
  description = "Region of the functions and queues, such as europe-west1: one that has Cloud Run functions, Cloud Tasks and Cloud Scheduler."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "The name of a region looks like europe-west1."
  }
}

variable "name" {
  description = "What the names of everything that is made begin with."
  type        = string
  default     = "skylift"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{3,18}[a-z0-9]$", var.name))
    error_message = "The name has 5 to 20 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "packages_dir" {
  description = "Folder with the source archive that `make package` makes: skylift-gcp.zip."
  type        = string

  validation {
    condition     = fileexists("${var.packages_dir}/skylift-gcp.zip")
    error_message = "The folder has no skylift-gcp.zip: run `make package` first."
  }
}

variable "database_url" {
  description = "URL of a PostgreSQL database: postgresql://user:password@host/name. Kept in Secret Manager, and neither in the plan nor in the state; needed when `database_url_version` is new."
  type        = string
  default     = null
  ephemeral   = true

  validation {
    condition     = var.database_url == null || can(regex("^postgres(ql)?(\\+psycopg)?://[^/]+/.+", var.database_url))
    error_message = "Give a URL such as postgresql://user:password@host/name."
  }
}

variable "database_url_version" {
  description = "Raise it together with a new `database_url`."
  type        = number
  default     = 1

  validation {
    condition     = var.database_url_version >= 1 && floor(var.database_url_version) == var.database_url_version
    error_message = "The version is a whole number from 1."
  }
}

variable "database_url_secret" {
  description = "Full name of a secret that holds the database's URL already, in the place of `database_url`: projects/…/secrets/…."
  type        = string
  default     = ""

  validation {
    condition     = var.database_url_secret == "" || can(regex("^projects/[^/]+/secrets/[A-Za-z0-9_-]+$", var.database_url_secret))
    error_message = "The full name of a secret looks like projects/my-project/secrets/database-url."
  }
}

variable "admin_key_version" {
  description = "Raise it to make the admin's API key anew; the old one is refused as soon as the API's instances are new."
  type        = number
  default     = 1

  validation {
    condition     = var.admin_key_version >= 1 && floor(var.admin_key_version) == var.admin_key_version
    error_message = "The version is a whole number from 1."
  }
}

variable "protect_secrets" {
  description = "Whether Terraform refuses to remove the secrets. Without the sealing keys nobody reads the secrets in the database again."
  type        = bool
  default     = true
}

variable "api_url" {
  description = "Where runs and people reach the API, where that is a domain of yours; ends with /api. Empty: the function's own address."
  type        = string
  default     = ""

  validation {
    condition     = var.api_url == "" || can(regex("^https://[^/]+(/.*)?/api$", var.api_url))
    error_message = "Give an https address that ends with /api."
  }
}

variable "console_folder" {
  description = "Folder that `skylift ui export FOLDER --api-url URL` wrote, with what the output `api_url` says: the console is served from a public bucket. Null: no console."
  type        = string
  default     = null

  validation {
    condition     = var.console_folder == null || try(fileexists("${var.console_folder}/index.html"), false)
    error_message = "The folder holds no console: write it by `skylift ui export`."
  }
}

variable "settings" {
  description = "More settings of Skylift, such as { SKYLIFT_LATE_AFTER = \"30\" }."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([for each in keys(var.settings) :
      startswith(each, "SKYLIFT_") && !can(regex("^SKYLIFT_((QUEUE|URL)_.*|API_URL|INVOKER|IAM_CHECKED|.*_FROM|SECRET_KEY|API_KEY|DATABASE_URL)$", each))
    ])
    error_message = "Settings begin with SKYLIFT_; secrets, queues, addresses and who may call are set by the module."
  }
}

variable "log_level" {
  description = "How much the functions log."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "The level is DEBUG, INFO, WARNING or ERROR."
  }
}

variable "log_retention_days" {
  description = "How long lines of the functions are kept; beyond 30 days that costs money."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 1 && var.log_retention_days <= 3650 && floor(var.log_retention_days) == var.log_retention_days
    error_message = "Cloud Logging takes 1 to 3650 days."
  }
}

variable "max_concurrency" {
  description = "How many of each function that a queue wakes may work at once: each has a connection to the database."
  type        = number
  default     = 10

  validation {
    condition     = var.max_concurrency >= 1 && var.max_concurrency <= 1000 && floor(var.max_concurrency) == var.max_concurrency
    error_message = "A whole number from 1 to 1000."
  }
}

variable "api_instances" {
  description = "How many instances of the API there may be at once: each answers 8 requests at a time, with as many connections to the database at most."
  type        = number
  default     = 10

  validation {
    condition     = var.api_instances >= 1 && var.api_instances <= 1000 && floor(var.api_instances) == var.api_instances
    error_message = "A whole number from 1 to 1000."
  }
}

variable "vpc" {
  description = "Network and subnetwork for the functions, where the database can only be reached from within a VPC. Null: none."
  type        = object({ network = string, subnetwork = string })
  default     = null

  validation {
    condition     = var.vpc == null || try(length(var.vpc.network) > 0 && length(var.vpc.subnetwork) > 0, false)
    error_message = "Give a network and a subnetwork by their names or full names."
  }
}

variable "notification_channels" {
  description = "Full names of the notification channels that are told of alerts: projects/…/notificationChannels/…."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", each))])
    error_message = "The full name of a channel looks like projects/my-project/notificationChannels/123."
  }
}

variable "late_runs_allowed" {
  description = "Late runs that may be there at a tick; more, three ticks within a quarter of an hour, are an alert."
  type        = number
  default     = 0

  validation {
    condition     = var.late_runs_allowed >= 0
    error_message = "A number of runs is not below 0."
  }
}

variable "sweep_hits_allowed" {
  description = "Attempts whose wakeup and event may both have been lost when a tick finds them; more are an alert."
  type        = number
  default     = 5

  validation {
    condition     = var.sweep_hits_allowed >= 0
    error_message = "A number of attempts is not below 0."
  }
}

variable "failures_allowed" {
  description = "Failed wakeups within a quarter of an hour, each of which comes again; more are an alert."
  type        = number
  default     = 20

  validation {
    condition     = var.failures_allowed >= 0
    error_message = "A number of failures is not below 0."
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
