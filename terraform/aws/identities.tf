# A role for each function, with what functions.json says of it and no more; those that push to pools also have the
# pools' roles to assume.

locals {
  # What the names in functions.json stand for. The log group is the function's own.
  named = merge(
    { for verb, queue in aws_sqs_queue.wakeups : "{${verb}_queue}" => [queue.arn] },
    {
      "{secrets}"    = concat([for each in aws_secretsmanager_secret.this : each.arn], local.url_is_parameter ? [] : compact([var.database_url_arn]))
      "{parameters}" = local.url_is_parameter ? [var.database_url_arn] : []
    },
  )
  url_is_parameter = can(regex("^arn:[a-z-]+:ssm:", var.database_url_arn))

  own_statements = { for name, each in local.functions : name => [
    for action, resources in each.permissions : {
      Effect = "Allow"
      Action = [action]
      Resource = flatten([for resource in resources :
        resource == "{log_group}" ? ["${aws_cloudwatch_log_group.function[name].arn}:*"] : local.named[resource]
      ])
    }
  ] }

  assumed = coalesce(var.dispatcher_role_arns, ["arn:${local.partition}:iam::${local.account}:role/skylift-*-dispatcher"])
  assuming = length(local.assumed) == 0 ? [] : [
    { Effect = "Allow", Action = ["sts:AssumeRole"], Resource = local.assumed }
  ]
  pool_statements = { for name, each in local.functions : name => flatten([
    for pool in values(var.own_role_pools) : jsondecode(templatefile("${path.module}/policies/ecs_pool.json", {
      partition      = local.partition
      region         = local.region
      account        = local.account
      cluster        = pool.cluster
      log_group      = pool.log_group
      execution_role = pool.execution_role_arn
      task_role      = pool.task_role_arn
      dispatcher     = aws_iam_role.function[name].arn
    })).Statement
  ]) }

  policies = { for name, each in local.functions : name => jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for statement in local.own_statements[name] : statement if length(statement.Resource) > 0],
      local.dsql_statements,
      [for statement in local.assuming : statement if each.pushes],
      [for statement in local.pool_statements[name] : statement if each.pushes],
    )
  }) }
}

resource "aws_iam_role" "function" {
  for_each = local.functions

  name        = "${var.name}-${each.key}"
  description = "Skylift's function ${each.key}"
  tags        = local.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions

  name   = "skylift"
  role   = aws_iam_role.function[each.key].name
  policy = local.policies[each.key]
}

resource "aws_iam_role_policy_attachment" "vpc" {
  for_each = length(var.vpc_subnet_ids) > 0 ? toset(keys(local.functions)) : toset([])

  role       = aws_iam_role.function[each.key].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
}

resource "aws_iam_role" "timer" {
  name        = "${var.name}-timer"
  description = "Skylift's timer"
  tags        = local.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "timer" {
  name = "skylift"
  role = aws_iam_role.timer.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["lambda:InvokeFunction"]
      Resource = [for name in keys(local.timed) : aws_lambda_function.this[name].arn]
    }]
  })
}
