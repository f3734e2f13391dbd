variable "name" {
  description = "What the names of everything that is made begin with."
  type        = string
  default     = "skylift"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,29}[a-z0-9]$", var.name))
    error_message = "The name has 2 to 31 small letters, digits and hyphens, and begins with a letter."
  }
}

variable "packages_dir" {
  description = "Folder with the zips that `make package` makes: skylift-aws-api.zip and the others."
  type        = string

  validation {
    condition     = alltrue([for each in keys(jsondecode(file("${path.module}/functions.json"))) : fileexists("${var.packages_dir}/skylift-aws-${each}.zip")])
    error_message = "The folder has no skylift-aws-*.zip for each function: run `make package` first."
  }
}

variable "database_url" {
  description = "URL of a PostgreSQL database: postgresql://user:password@host/name. Kept in Secrets Manager, and neither in the plan nor in the state; needed when `database_url_version` is new."
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

variable "database_url_arn" {
  description = "ARN of a secret or of an SSM parameter that holds the database's URL already, in the place of `database_url`."
  type        = string
  default     = ""

  validation {
    condition     = var.database_url_arn == "" || can(regex("^arn:[a-z-]+:(secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:|ssm:[a-z0-9-]+:[0-9]{12}:parameter/).+", var.database_url_arn))
    error_message = "Give the ARN of a secret in Secrets Manager or of a parameter in SSM."
  }
}

variable "create_dsql" {
  description = "Whether to make an Aurora DSQL cluster for the database, in the place of `database_url`: it costs nothing while nobody asks it, and the functions sign in with their roles."
  type        = bool
  default     = false

  validation {
    condition     = !(var.create_dsql && var.database_url_arn != "")
    error_message = "Either have a database made or give one."
  }
}

variable "dsql_deletion_protection" {
  description = "Whether the DSQL cluster is kept from being removed: turn it off, apply, and then destroy."
  type        = bool
  default     = true
}

variable "admin_key_version" {
  description = "Raise it to make the admin's API key anew; the old one is refused as soon as the functions are started anew."
  type        = number
  default     = 1

  validation {
    condition     = var.admin_key_version >= 1 && floor(var.admin_key_version) == var.admin_key_version
    error_message = "The version is a whole number from 1."
  }
}

variable "secret_recovery_days" {
  description = "Days that removed secrets can be recovered. Without the sealing keys nobody reads the secrets in the database again."
  type        = number
  default     = 30

  validation {
    condition     = var.secret_recovery_days == 0 || (var.secret_recovery_days >= 7 && var.secret_recovery_days <= 30)
    error_message = "Secrets Manager takes 0, or 7 to 30 days."
  }
}

variable "api_url" {
  description = "Where runs and people reach the API, where that is a domain of yours; ends with /api. Empty: the HTTP API's own address."
  type        = string
  default     = ""

  validation {
    condition     = var.api_url == "" || can(regex("^https://[^/]+(/.*)?/api$", var.api_url))
    error_message = "Give an https address that ends with /api."
  }
}

variable "console_folder" {
  description = "Folder that `skylift ui export FOLDER` wrote: the console is served from it, by CloudFront, with the API beside it. Null: no console."
  type        = string
  default     = null

  validation {
    condition     = var.console_folder == null || try(strcontains(file("${var.console_folder}/index.html"), format(jsondecode(file("${path.module}/console.json")).api_tag, "/api")), false)
    error_message = "The folder holds no console that finds the API at /api: write it by `skylift ui export FOLDER`, without --api-url."
  }
}

variable "console_domain" {
  description = "A name of yours for the console, and the ARN of its certificate in us-east-1; point the name at the output `console_cdn_domain`. Null: CloudFront's own name."
  type        = object({ name = string, certificate_arn = string })
  default     = null

  validation {
    condition     = var.console_domain == null || (var.console_folder != null && can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.console_domain.name)) && can(regex("^arn:[a-z-]+:acm:us-east-1:[0-9]{12}:certificate/", var.console_domain.certificate_arn)))
    error_message = "Give a name such as console.example.com and the ARN of a certificate in us-east-1, which is where CloudFront looks, together with console_folder."
  }
}

variable "settings" {
  description = "More settings of Skylift, such as { SKYLIFT_LATE_AFTER = \"30\" }."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([for each in keys(var.settings) :
      startswith(each, "SKYLIFT_") && !can(regex("^SKYLIFT_(QUEUE_.*|API_URL|.*_FROM|SECRET_KEY|API_KEY|DATABASE_URL)$", each))
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
  description = "How long lines of the functions are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch takes 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 days and some more."
  }
}

variable "max_concurrency" {
  description = "How many of each function that a queue wakes may work at once: each has a connection to the database."
  type        = number
  default     = 10

  validation {
    condition     = var.max_concurrency >= 2 && var.max_concurrency <= 1000 && floor(var.max_concurrency) == var.max_concurrency
    error_message = "SQS takes 2 to 1000."
  }
}

variable "throttle" {
  description = "Requests a second that the API takes, and at once."
  type        = object({ rate = number, burst = number })
  default     = { rate = 500, burst = 1000 }

  validation {
    condition     = var.throttle.rate > 0 && var.throttle.burst > 0
    error_message = "Rate and burst are above 0."
  }
}

variable "vpc_subnet_ids" {
  description = "Subnets for the functions, where the database can only be reached from within a VPC. They need a way out to AWS's services. Empty: no VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.vpc_subnet_ids : can(regex("^subnet-[0-9a-f]+$", each))])
    error_message = "The id of a subnet looks like subnet-0123456789abcdef0."
  }
}

variable "vpc_security_group_ids" {
  description = "Security groups for the functions in a VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = (length(var.vpc_security_group_ids) > 0) == (length(var.vpc_subnet_ids) > 0)
    error_message = "Give subnets and security groups together."
  }
}

variable "dispatcher_role_arns" {
  description = "Roles of pools that the functions may assume; * and ? are wild. Null: those that --provision-infra and the module for ECS pools make in this account."
  type        = list(string)
  default     = null

  validation {
    condition     = alltrue([for each in coalesce(var.dispatcher_role_arns, []) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*]", each))])
    error_message = "Give ARNs of roles; their names do not begin with a wild card."
  }
}

variable "own_role_pools" {
  description = "ECS pools without a role of their own, to which the functions push with theirs: cluster, log group, and the roles that tasks get."
  type = map(object({
    cluster            = string
    log_group          = string
    execution_role_arn = string
    task_role_arn      = string
  }))
  default = {}

  validation {
    condition     = alltrue([for each in values(var.own_role_pools) : can(regex("^arn:", each.execution_role_arn)) && can(regex("^arn:", each.task_role_arn)) && can(regex("^[a-zA-Z0-9_-]+$", each.cluster))])
    error_message = "Give the cluster's name, and ARNs of the roles."
  }
}

variable "cluster_arns" {
  description = "ARNs of the ECS clusters whose task states Skylift is told. Empty: of all clusters in the account, which in one with many other tasks costs an invocation for each."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.cluster_arns : can(regex("^arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[a-zA-Z0-9_-]+$", each))])
    error_message = "Give ARNs of clusters."
  }
}

variable "alarm_actions" {
  description = "ARNs that are told of alarms, such as those of SNS topics."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.alarm_actions : startswith(each, "arn:")])
    error_message = "Actions are ARNs."
  }
}

variable "late_runs_allowed" {
  description = "Late runs that may be there, tick after tick for a quarter of an hour, before the alarm."
  type        = number
  default     = 0

  validation {
    condition     = var.late_runs_allowed >= 0
    error_message = "A number of runs is not below 0."
  }
}

variable "sweep_hits_allowed" {
  description = "Attempts an hour whose wakeup and event may both have been lost, so that only the timer found them, before the alarm."
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
    condition     = alltrue([for each in keys(var.tags) : !startswith(each, "skylift:") && !startswith(each, "aws:")])
    error_message = "Tags that begin with skylift: or aws: are not yours to set."
  }
}
