variable "name" {
  description = "What the names of everything that is made begin with."
  type        = string
  default     = "skylift"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,13}[a-z0-9]$", var.name))
    error_message = "The name has 2 to 15 small letters, digits and hyphens, and begins with a letter: Azure's names are short."
  }
}

variable "location" {
  description = "Azure's name of the region that everything is made in, such as westeurope; one that has Flex Consumption."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]+$", var.location))
    error_message = "The name of a location has small letters and digits, such as westeurope."
  }
}

variable "packages_dir" {
  description = "Folder with the package that `make package` makes: skylift-azure-*.zip, whose name changes with what is in it."
  type        = string

  validation {
    condition     = length(fileset(var.packages_dir, "skylift-azure-*.zip")) == 1
    error_message = "The folder has to have one skylift-azure-*.zip: run `make package` first."
  }
}

variable "database_url" {
  description = "URL of a PostgreSQL database: postgresql://user:password@host/name. Kept in Key Vault, and neither in the plan nor in the state; needed when `database_url_version` is new."
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

variable "admin_key_version" {
  description = "Raise it to make the admin's API key anew; the old one is refused as soon as the app is started anew."
  type        = number
  default     = 1

  validation {
    condition     = var.admin_key_version >= 1 && floor(var.admin_key_version) == var.admin_key_version
    error_message = "The version is a whole number from 1."
  }
}

variable "secret_recovery_days" {
  description = "Days that a removed vault and its secrets can be recovered, and their names are taken. Without the sealing keys nobody reads the secrets in the database again."
  type        = number
  default     = 30

  validation {
    condition     = var.secret_recovery_days >= 7 && var.secret_recovery_days <= 90
    error_message = "Key Vault takes 7 to 90 days."
  }
}

variable "api_url" {
  description = "Where runs and people reach the API, where that is a domain of yours; ends with /api. Empty: the app's own address."
  type        = string
  default     = ""

  validation {
    condition     = var.api_url == "" || can(regex("^https://[^/]+(/.*)?/api$", var.api_url))
    error_message = "Give an https address that ends with /api."
  }
}

variable "console_folder" {
  description = "Folder that `skylift ui export FOLDER --api-url URL` wrote, with what the output `api_url` says: the console is served from the static website of a storage account. Null: no console."
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
      startswith(each, "SKYLIFT_") && !can(regex("^SKYLIFT_(QUEUES.*|API_URL|.*_FROM|SECRET_KEY|API_KEY|DATABASE_URL)$", each))
    ])
    error_message = "Settings begin with SKYLIFT_; secrets, queues and the API's address are set by the module."
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
  description = "How long lines of the functions are kept; up to 30 days cost no more than none."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 30 && var.log_retention_days <= 730
    error_message = "A workspace takes 30 to 730 days."
  }
}

variable "memory_mb" {
  description = "Memory of an instance; Azure gives CPU by it."
  type        = number
  default     = 2048

  validation {
    condition     = contains([512, 2048, 4096], var.memory_mb)
    error_message = "Flex Consumption has instances of 512, 2048 and 4096 MB."
  }
}

variable "max_instances" {
  description = "How many instances there may be at most of each group of functions: each has up to eight connections to the database."
  type        = number
  default     = 40

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 1000 && floor(var.max_instances) == var.max_instances
    error_message = "Flex Consumption takes 1 to 1000."
  }
}

variable "always_ready" {
  description = "Instances that are kept ready, by group: http, or function:NAME. They make starts quicker, and cost money while idle."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for group, count in var.always_ready : can(regex("^(http|function:[a-z_]+)$", group)) && count >= 1 && floor(count) == count])
    error_message = "Groups are http or function:NAME, such as function:dispatch, with whole numbers from 1."
  }
}

variable "subnet_id" {
  description = "Id of a subnet for the app, delegated to Microsoft.App/environments, where the database can only be reached from within a network. Empty: none."
  type        = string
  default     = ""

  validation {
    condition     = var.subnet_id == "" || can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\\.Network/virtualNetworks/[^/]+/subnets/[^/]+$", var.subnet_id))
    error_message = "The id of a subnet looks like /subscriptions/…/virtualNetworks/…/subnets/…."
  }
}

variable "pool_identity_ids" {
  description = "Ids of the identities that push runs into pools, which the app is given: the output `dispatcher_identity_id` of the module for pools, or what --provision-infra names."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.pool_identity_ids : can(regex("/Microsoft.ManagedIdentity/userAssignedIdentities/[^/]+$", each))])
    error_message = "The id of an identity ends with /Microsoft.ManagedIdentity/userAssignedIdentities/NAME."
  }
}

variable "alert_action_group_ids" {
  description = "Ids of action groups that are told of alerts."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.alert_action_group_ids : can(regex("/actionGroups/[^/]+$", each))])
    error_message = "The id of an action group ends with /actionGroups/NAME."
  }
}

variable "late_runs_allowed" {
  description = "Late runs that may be there, tick after tick for a quarter of an hour, before the alert."
  type        = number
  default     = 0

  validation {
    condition     = var.late_runs_allowed >= 0
    error_message = "A number of runs is not below 0."
  }
}

variable "sweep_hits_allowed" {
  description = "Attempts an hour whose wakeup may have been lost, so that only the timer found them, before the alert."
  type        = number
  default     = 5

  validation {
    condition     = var.sweep_hits_allowed >= 0
    error_message = "A number of attempts is not below 0."
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
