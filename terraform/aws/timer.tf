# The timer: it alone would make everything right, wakeups and events only make it sooner.

resource "aws_scheduler_schedule" "tick" {
  #checkov:skip=CKV_AWS_297:A tick says nothing but its own id
  for_each = local.timed

  name                = "${var.name}-${each.key}"
  description         = "Skylift's timer"
  schedule_expression = "rate(${each.value} minutes)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.this[each.key].arn
    role_arn = aws_iam_role.timer.arn
    # Scheduler fills the id in, and would not know it as jsonencode writes it.
    input = "{\"id\": \"<aws.scheduler.execution-id>\", \"source\": \"aws.scheduler\"}"

    # What one tick did not do the next one does.
    retry_policy {
      maximum_retry_attempts       = 2
      maximum_event_age_in_seconds = 60 * each.value
    }
  }
}

# Task states of all clusters of this account, unless some are named: which of them are Skylift's it knows itself.
resource "aws_cloudwatch_event_rule" "told" {
  for_each = local.told

  name        = "${var.name}-${each.key}"
  description = "Tells Skylift what becomes of its tasks"
  tags        = local.tags
  event_pattern = jsonencode(merge(each.value, {
    detail = merge(each.value.detail, { for key, arns in { clusterArn = var.cluster_arns } : key => arns if length(arns) > 0 })
  }))
}

resource "aws_cloudwatch_event_target" "told" {
  for_each = local.told

  rule      = aws_cloudwatch_event_rule.told[each.key].name
  target_id = "skylift"
  arn       = aws_lambda_function.this[each.key].arn
}

resource "aws_lambda_permission" "told" {
  for_each = local.told

  statement_id  = "events"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this[each.key].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.told[each.key].arn
}
