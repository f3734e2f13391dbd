# What Skylift is told. Doing it again changes nothing, so it is done whenever something of it is new.

locals {
  repository_url = var.repository == "" ? aws_ecr_repository.this[0].repository_url : data.aws_ecr_repository.given[0].repository_url

  registration = {
    name              = var.name
    type              = "ecs:push"
    description       = var.description
    concurrency_limit = var.concurrency_limit
    variables = {
      cluster                   = local.cluster
      execution_role_arn        = aws_iam_role.execution.arn
      task_role_arn             = aws_iam_role.task.arn
      vpc_id                    = local.vpc_id
      subnets                   = local.subnet_ids
      security_groups           = [local.security_group_id]
      configure_cloudwatch_logs = true
      cloudwatch_logs_options   = { awslogs-group = aws_cloudwatch_log_group.this.name, awslogs-create-group = "false" }
      pool_secret               = aws_secretsmanager_secret.admission.arn
    }
    credentials = {
      block_type = "aws-credentials"
      variable   = "aws_credentials"
      data = {
        region_name = local.region
        role_arn    = aws_iam_role.dispatcher.arn
        external_id = local.external_id
      }
    }
  }
}

resource "terraform_data" "registration" {
  count = var.register ? 1 : 0

  triggers_replace = [local.registration, var.admission_secret_version]

  provisioner "local-exec" {
    command = "skylift work-pool register"
    environment = {
      SKYLIFT_REGISTRATION = jsonencode(merge(local.registration, {
        admission_secret_sha256 = sha256(ephemeral.aws_secretsmanager_secret_version.admission.secret_string)
      }))
    }
  }

  # A pool that is told of a role has to be able to use it at once.
  depends_on = [
    aws_iam_role_policy.dispatcher,
    aws_iam_role_policy.execution,
    aws_ecs_cluster_capacity_providers.this,
    aws_route.out,
    aws_route_table_association.this,
    aws_vpc_security_group_egress_rule.this,
  ]
}
