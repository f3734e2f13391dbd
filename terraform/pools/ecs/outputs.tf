output "registration" {
  description = "What Skylift has to know of the pool, for `skylift work-pool register`; without the hash of the admission secret, which the module passes on itself."
  value       = local.registration
}

output "repository_url" {
  description = "Where images for the pool are pushed to."
  value       = local.repository_url
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = local.cluster
}

output "log_group" {
  description = "Name of the log group that runs write to."
  value       = aws_cloudwatch_log_group.this.name
}

output "execution_role_arn" {
  description = "ARN of the role that ECS itself has."
  value       = aws_iam_role.execution.arn
}

output "task_role_arn" {
  description = "ARN of the role that the flows have; attach to it what they may do."
  value       = aws_iam_role.task.arn
}

output "task_role_name" {
  description = "Name of the role that the flows have, for `aws_iam_role_policy` and its like."
  value       = aws_iam_role.task.name
}

output "dispatcher_role_arn" {
  description = "ARN of the role that Skylift assumes."
  value       = aws_iam_role.dispatcher.arn
}

output "admission_secret_arn" {
  description = "ARN of the secret that admits the pool's runs."
  value       = aws_secretsmanager_secret.admission.arn
}

output "events_queue_statement" {
  description = "What the policy of the queue in `events_to` has to allow; null where no queue is told."
  value       = local.told == "sqs" ? local.leave_to_send : null
}

output "security_group_id" {
  description = "Id of the security group of the runs."
  value       = local.security_group_id
}

output "subnet_ids" {
  description = "Ids of the subnets that runs get addresses in."
  value       = local.subnet_ids
}
