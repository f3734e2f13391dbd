# Applied to stand-ins for the providers: what is made, under which names, and what is refused.

variables {
  name            = "My nightly Pool!"
  installation_id = "0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5d"
  register        = false
}

run "in_the_default_network" {
  assert {
    condition     = startswith(aws_ecs_cluster.this[0].name, "skylift-my-nightly-pool-")
    error_message = "names begin with the pool's name as far as AWS takes it"
  }
  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/skylift/${aws_ecs_cluster.this[0].name}"
    error_message = "the log group is named after the pool"
  }
  assert {
    condition     = length(aws_vpc.this) == 0 && length(output.subnet_ids) > 0
    error_message = "the default VPC's subnets are used"
  }
  assert {
    condition     = length(aws_cloudwatch_event_rule.this) == 0
    error_message = "nobody is told of task states unless asked for"
  }
  assert {
    condition     = output.registration.credentials.data.role_arn == aws_iam_role.dispatcher.arn
    error_message = "Skylift is told of the role to assume"
  }
}

run "in_a_network_of_its_own" {
  variables {
    create_vpc = true
    events_to  = "arn:aws:sqs:eu-central-1:123456789012:observe"
  }

  assert {
    condition     = [for each in aws_subnet.this : each.cidr_block] == ["10.214.0.0/18", "10.214.64.0/18", "10.214.128.0/18"]
    error_message = "three zones have a quarter of the addresses each"
  }
  assert {
    condition     = length(aws_route_table_association.this) == 3
    error_message = "each subnet has a way out"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this[0].event_pattern).detail.clusterArn == ["arn:aws:ecs:eu-central-1:123456789012:cluster/${output.cluster}"]
    error_message = "only this cluster's states are told"
  }
}

run "a_function_is_told" {
  variables {
    events_to = "arn:aws:lambda:eu-central-1:123456789012:function:observe"
  }

  assert {
    condition     = aws_lambda_permission.events[0].source_arn == aws_cloudwatch_event_rule.this[0].arn
    error_message = "only this rule may call the function"
  }
  assert {
    condition     = length(aws_cloudwatch_event_target.this[0].input_transformer) == 0 && length(aws_sqs_queue_policy.events) == 0
    error_message = "a function gets the event as it is"
  }
}

run "a_queue_with_a_policy_of_its_own_is_told" {
  variables {
    events_to           = "arn:aws:sqs:eu-central-1:123456789012:observe"
    events_queue_policy = false
  }

  assert {
    condition     = length(aws_sqs_queue_policy.events) == 0 && output.events_queue_statement.Resource == var.events_to
    error_message = "what the queue's policy has to allow is said instead"
  }
}

run "with_what_is_there_already" {
  variables {
    cluster        = "everybody"
    repository     = "team/images"
    subnets        = ["subnet-0a", "subnet-0b"]
    security_group = "sg-0a"
  }

  assert {
    condition     = length(aws_ecs_cluster.this) + length(aws_ecr_repository.this) + length(aws_security_group.this) == 0
    error_message = "nothing is made that is there"
  }
  assert {
    condition     = output.registration.variables.subnets == tolist(["subnet-0a", "subnet-0b"])
    error_message = "runs go into the subnets that are given"
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.dispatcher.policy, ":cluster/everybody")
    error_message = "the rights are limited to the cluster that is given"
  }
}

run "another_installation_has_other_names" {
  variables {
    installation_id = "0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5e"
  }

  assert {
    condition     = output.cluster != run.in_the_default_network.cluster
    error_message = "pools of two installations never meet"
  }
}

run "mistakes_are_refused" {
  command = plan

  variables {
    name                     = "a/b"
    installation_id          = "mine"
    concurrency_limit        = -1
    cluster                  = "arn:aws:ecs:eu-central-1:123456789012:cluster/runs"
    repository               = "UPPER"
    subnets                  = ["default"]
    vpc_cidr                 = "10.0.0.0/24"
    security_group           = "default"
    dispatcher               = "skylift"
    events_to                = "observe"
    admission_secret_version = 0
    secret_recovery_days     = 3
    tags                     = { "skylift:work-pool" = "other" }
  }

  expect_failures = [
    var.name,
    var.installation_id,
    var.concurrency_limit,
    var.cluster,
    var.repository,
    var.subnets,
    var.vpc_cidr,
    var.security_group,
    var.dispatcher,
    var.events_to,
    var.admission_secret_version,
    var.secret_recovery_days,
    var.tags,
  ]
}

run "either_subnets_or_a_vpc" {
  command = plan

  variables {
    subnets    = ["subnet-0a"]
    create_vpc = true
  }

  expect_failures = [var.create_vpc]
}
