output "api_url" {
  description = "Where the API is: SKYLIFT_API_URL and PREFECT_API_URL."
  value       = local.api_url
}

output "console_url" {
  description = "Where the console is; null where there is none."
  value       = local.console_url
}

output "console_cdn_domain" {
  description = "CloudFront's name of the console, for the DNS record of `console_domain`; null where there is none."
  value       = one(aws_cloudfront_distribution.console[*].domain_name)
}

output "admin_key_arn" {
  description = "ARN of the secret that holds the admin's API key."
  value       = aws_secretsmanager_secret.this["admin-key"].arn
}

output "sealing_keys_arn" {
  description = "ARN of the secret that holds the sealing keys. Back it up with the database: one is nothing without the other."
  value       = aws_secretsmanager_secret.this["sealing-keys"].arn
}

output "database_url_arn" {
  description = "ARN of the secret or parameter that holds the database's URL; empty with DSQL, whose URL is no secret."
  value       = local.database_url_arn
}

output "dsql_url" {
  description = "URL of the DSQL cluster; null where none is made."
  value       = one(local.dsql_urls)
}

output "function_names" {
  description = "Names of the functions, by verb."
  value       = { for name, each in aws_lambda_function.this : name => each.function_name }
}

output "role_arns" {
  description = "ARNs of the functions' roles, by verb: whoever may assume a pool's role in another account."
  value       = { for name, each in aws_iam_role.function : name => each.arn }
}

output "queue_urls" {
  description = "URLs of the queues of wakeups, by verb."
  value       = { for verb, each in aws_sqs_queue.wakeups : verb => each.url }
}

output "dead_letter_queue_arn" {
  description = "ARN of the dead-letter queue, for `aws sqs start-message-move-task`."
  value       = aws_sqs_queue.dead_letters.arn
}

output "alarm_arns" {
  description = "ARNs of the alarms."
  value = [
    aws_cloudwatch_metric_alarm.dead_letters.arn,
    aws_cloudwatch_metric_alarm.late_runs.arn,
    aws_cloudwatch_metric_alarm.sweep_hits.arn,
  ]
}
