# Everything that an `ecs:push` work pool needs: what `skylift work-pool create --provision-infra` makes, with the same
# names and rights. Policies and numbers are files that are written from the code (functions/terraform_data.py).

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.region

  # The pool's name as far as AWS takes it, and letters that tell pools and installations apart.
  identity = sha256("${var.installation_id}/${var.name}")
  plain    = trim(substr(trim(replace(lower(var.name), "/[^a-z0-9]+/", "-"), "-"), 0, 24), "-")
  stem     = join("-", compact(["skylift", local.plain, substr(local.identity, 0, 8)]))

  cluster     = var.cluster != "" ? var.cluster : local.stem
  repository  = var.repository != "" ? var.repository : local.stem
  log_group   = "/skylift/${local.stem}"
  secret      = "${local.stem}-admission"
  external_id = substr(local.identity, 0, 32)
  principal   = var.dispatcher != "" ? var.dispatcher : "arn:${local.partition}:iam::${local.account}:root"

  shared = jsondecode(file("${path.module}/pool.json"))
  tags   = merge(var.tags, { "skylift:installation" = var.installation_id, "skylift:work-pool" = var.name })

  role_arns = { for each in ["execution", "task", "dispatcher"] :
    each => "arn:${local.partition}:iam::${local.account}:role/${local.stem}-${each}"
  }
  names = {
    partition      = local.partition
    region         = local.region
    account        = local.account
    cluster        = local.cluster
    log_group      = local.log_group
    dispatcher     = local.role_arns["dispatcher"]
    execution_role = local.role_arns["execution"]
    task_role      = local.role_arns["task"]
    # AWS adds six characters of its own to a secret's name.
    secret      = "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${local.secret}-??????"
    principal   = local.principal
    external_id = local.external_id
  }
  policies = { for each in ["dispatcher", "execution", "trust_of_tasks", "trust_of_dispatcher", "lifecycle"] :
    each => jsonencode(jsondecode(templatefile("${path.module}/policies/${each}.json", local.names)))
  }
}

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:Container Insights cost money for each task, and Skylift counts runs itself
  count = var.cluster == "" ? 1 : 0

  name = local.cluster
  tags = local.tags
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  count = var.cluster == "" ? 1 : 0

  cluster_name       = aws_ecs_cluster.this[0].name
  capacity_providers = local.shared.capacity_providers

  default_capacity_provider_strategy {
    capacity_provider = local.shared.capacity_providers[0]
    weight            = 1
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:Output of runs is kept as long as --provision-infra has it, a month; Skylift keeps the runs' own logs
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts with keys of its own; a key of yours costs money while nothing runs
  name              = local.log_group
  retention_in_days = local.shared.log_retention_days
  tags              = local.tags
}

resource "aws_ecr_repository" "this" {
  #checkov:skip=CKV_AWS_51:Deployments may push a tag anew, as `prefect deploy` does by default
  #checkov:skip=CKV_AWS_136:ECR encrypts with keys of its own; a key of yours costs money while nothing runs
  count = var.repository == "" ? 1 : 0

  name         = local.repository
  force_delete = true
  tags         = local.tags

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  count = var.repository == "" ? 1 : 0

  repository = aws_ecr_repository.this[0].name
  policy     = local.policies["lifecycle"]
}

data "aws_ecr_repository" "given" {
  count = var.repository == "" ? 0 : 1

  name = var.repository
}
