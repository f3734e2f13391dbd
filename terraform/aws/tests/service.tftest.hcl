# Applied to stand-ins for the providers: how the parts refer to each other, and what is refused.

variables {
  database_url = "postgresql://skylift:hunter2@db.example/skylift"
}

run "usual" {
  assert {
    condition     = aws_lambda_function.this["dispatch"].environment[0].variables["SKYLIFT_API_URL"] == output.api_url && endswith(output.api_url, "/api")
    error_message = "runs reach the API where it is"
  }
  assert {
    condition     = aws_lambda_function.this["api"].environment[0].variables["SKYLIFT_DATABASE_URL_FROM"] == aws_secretsmanager_secret.this["database-url"].arn
    error_message = "the database's URL is read from the secret that is made for it"
  }
  assert {
    condition     = !strcontains(jsonencode(aws_lambda_function.this["api"].environment[0].variables), "hunter2")
    error_message = "no secret is in the environment"
  }
  assert {
    condition     = alltrue([for verb, each in aws_lambda_event_source_mapping.wakeups : each.event_source_arn == aws_sqs_queue.wakeups[verb].arn])
    error_message = "each queue wakes its function"
  }
  assert {
    condition     = alltrue([for each in aws_sqs_queue.wakeups : jsondecode(each.redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead_letters.arn])
    error_message = "what fails again and again ends up in the dead-letter queue"
  }
  assert {
    condition     = strcontains(aws_scheduler_schedule.tick["schedule"].target[0].input, "<aws.scheduler.execution-id>")
    error_message = "Scheduler finds where to put its id"
  }
  assert {
    condition     = length(aws_lambda_function.this["api"].vpc_config) == 0 && length(aws_iam_role_policy_attachment.vpc) == 0
    error_message = "no VPC unless asked for"
  }
}

run "with_what_is_there_already" {
  variables {
    database_url_arn     = "arn:aws:ssm:eu-central-1:123456789012:parameter/skylift/database"
    api_url              = "https://skylift.example/api"
    settings             = { SKYLIFT_LATE_AFTER = "30" }
    dispatcher_role_arns = []
    own_role_pools = {
      nightly = {
        cluster            = "runs"
        log_group          = "/runs"
        execution_role_arn = "arn:aws:iam::123456789012:role/execution"
        task_role_arn      = "arn:aws:iam::123456789012:role/task"
      }
    }
    vpc_subnet_ids         = ["subnet-0a"]
    vpc_security_group_ids = ["sg-0a"]
    cluster_arns           = ["arn:aws:ecs:eu-central-1:123456789012:cluster/runs"]
  }

  assert {
    condition     = jsonencode(jsondecode(aws_cloudwatch_event_rule.told["observe"].event_pattern).detail) == jsonencode({ clusterArn = var.cluster_arns, lastStatus = ["RUNNING", "STOPPED"] })
    error_message = "only the states of these clusters are told"
  }

  assert {
    condition     = length(aws_secretsmanager_secret_version.database_url) == 0
    error_message = "no secret is made for a URL that is kept already"
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.function["api"].policy, "ssm:GetParameter")
    error_message = "the parameter may be read"
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.function["dispatch"].policy, ":cluster/runs") && !strcontains(aws_iam_role_policy.function["dispatch"].policy, "sts:AssumeRole")
    error_message = "dispatch pushes with its own role"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.function["api"].policy, "ecs:")
    error_message = "the API pushes nothing"
  }
  assert {
    condition     = aws_lambda_function.this["observe"].environment[0].variables["SKYLIFT_LATE_AFTER"] == "30" && output.api_url == "https://skylift.example/api"
    error_message = "settings reach every function"
  }
  assert {
    condition     = length(aws_iam_role_policy_attachment.vpc) == length(aws_lambda_function.this)
    error_message = "in a VPC every function may have its network interfaces"
  }
}

run "mistakes_are_refused" {
  command = plan

  variables {
    name                 = "Skylift!"
    packages_dir         = "nowhere"
    database_url         = "mysql://db/skylift"
    database_url_version = 0
    database_url_arn     = "skylift/database"
    admin_key_version    = 0.5
    secret_recovery_days = 3
    api_url              = "http://skylift.example"
    console_folder       = "nowhere"
    settings             = { SKYLIFT_API_KEY = "hunter2" }
    log_level            = "loud"
    log_retention_days   = 2
    max_concurrency      = 1
    throttle             = { rate = 0, burst = 1 }
    vpc_subnet_ids       = ["here"]
    dispatcher_role_arns = ["arn:aws:iam::123456789012:role/*"]
    own_role_pools       = { a = { cluster = "a/b", log_group = "", execution_role_arn = "", task_role_arn = "" } }
    cluster_arns         = ["runs"]
    alarm_actions        = ["somebody"]
    late_runs_allowed    = -1
    sweep_hits_allowed   = -1
    tags                 = { "aws:a" = "b" }
  }

  expect_failures = [
    var.name,
    var.packages_dir,
    var.database_url,
    var.database_url_version,
    var.database_url_arn,
    var.admin_key_version,
    var.secret_recovery_days,
    var.api_url,
    var.console_folder,
    var.settings,
    var.log_level,
    var.log_retention_days,
    var.max_concurrency,
    var.throttle,
    var.vpc_subnet_ids,
    var.dispatcher_role_arns,
    var.own_role_pools,
    var.cluster_arns,
    var.alarm_actions,
    var.late_runs_allowed,
    var.sweep_hits_allowed,
    var.tags,
  ]
}

run "a_vpc_takes_both" {
  command = plan

  variables {
    vpc_security_group_ids = ["sg-0a"]
  }

  expect_failures = [var.vpc_security_group_ids]
}

run "a_database_is_made_or_given" {
  command = plan

  variables {
    create_dsql      = true
    database_url_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/skylift/database"
  }

  expect_failures = [var.create_dsql]
}

run "a_domain_is_for_a_console" {
  command = plan

  variables {
    console_domain = { name = "console.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/a" }
  }

  expect_failures = [var.console_domain]
}
