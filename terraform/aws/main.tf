# The functions. What each is, how large, what calls it and what it may do is in functions.json, which is written from
# the code (functions/terraform_data.py).

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.region

  functions = jsondecode(file("${path.module}/functions.json"))
  woken     = { for name, each in local.functions : each.queue => name if each.queue != null }
  timed     = { for name, each in local.functions : name => each.every if each.every != null }
  told      = { for name, each in local.functions : name => each.pattern if each.pattern != null }
  routes = merge([
    for name, each in local.functions : { for route in each.routes : route => name }
  ]...)

  tags    = merge(var.tags, { "skylift:service" = var.name })
  api_url = var.api_url != "" ? var.api_url : "${aws_apigatewayv2_api.this.api_endpoint}/api"

  variables = merge(
    { for url in compact([local.console_url]) : "SKYLIFT_CONSOLE_URL" => url },
    var.settings,
    { for verb, queue in aws_sqs_queue.wakeups : "SKYLIFT_QUEUE_${upper(verb)}" => queue.url },
    { for url in local.dsql_urls : "SKYLIFT_DATABASE_URL" => url },
    { for name, arn in { SKYLIFT_DATABASE_URL_FROM = local.database_url_arn } : name => arn if !var.create_dsql },
    {
      SKYLIFT_API_URL         = local.api_url
      SKYLIFT_API_KEY_FROM    = aws_secretsmanager_secret.this["admin-key"].arn
      SKYLIFT_SECRET_KEY_FROM = aws_secretsmanager_secret.this["sealing-keys"].arn
      POWERTOOLS_LOG_LEVEL    = var.log_level
      POWERTOOLS_SERVICE_NAME = var.name
    },
  )
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:Metrics and log lines with correlation ids tell what happened; X-Ray costs money for each trace
  #checkov:skip=CKV_AWS_115:How many work at once is limited where they are woken, without taking from the account's others
  #checkov:skip=CKV_AWS_116:Wakeups have a dead-letter queue of their own, and a lost event or tick is made good by the next tick
  #checkov:skip=CKV_AWS_117:A VPC is needed only where the database is in one: see vpc_subnet_ids
  #checkov:skip=CKV_AWS_173:The environment holds where secrets are and no secret, so Lambda's own key will do
  #checkov:skip=CKV_AWS_272:The packages are the user's own and reproducible to the byte; signing them is left to the user
  for_each = local.functions

  function_name    = "${var.name}-${each.key}"
  description      = "Skylift: ${each.key}"
  role             = aws_iam_role.function[each.key].arn
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  handler          = each.value.handler
  timeout          = each.value.timeout
  memory_size      = each.value.memory
  filename         = "${var.packages_dir}/skylift-aws-${each.key}.zip"
  source_code_hash = filebase64sha256("${var.packages_dir}/skylift-aws-${each.key}.zip")
  tags             = local.tags

  environment {
    variables = local.variables
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function[each.key].name
  }

  dynamic "vpc_config" {
    for_each = length(var.vpc_subnet_ids) > 0 ? [1] : []

    content {
      subnet_ids         = var.vpc_subnet_ids
      security_group_ids = var.vpc_security_group_ids
    }
  }

  # A function that is called before it may do anything only fails.
  depends_on = [aws_iam_role_policy.function, aws_secretsmanager_secret_version.sealing_keys]
}

resource "aws_cloudwatch_log_group" "function" {
  #checkov:skip=CKV_AWS_338:A month is enough to look into what happened; raise log_retention_days where it is not
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts with keys of its own, and no line holds a secret
  for_each = local.functions

  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}
