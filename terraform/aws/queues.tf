# Wakeups: a queue for each function that is woken, and one where what fails again and again ends up.

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = local.tags
}

resource "aws_sqs_queue" "wakeups" {
  for_each = local.woken

  name = "${var.name}-${each.key}"
  # Six times what the function may take, as Lambda asks for.
  visibility_timeout_seconds = 6 * local.functions[each.value].timeout
  sqs_managed_sse_enabled    = true
  tags                       = local.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 10
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [for each in aws_sqs_queue.wakeups : each.arn]
  })
}

resource "aws_lambda_event_source_mapping" "wakeups" {
  for_each = local.woken

  event_source_arn        = aws_sqs_queue.wakeups[each.key].arn
  function_name           = aws_lambda_function.this[each.value].arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  tags                    = local.tags

  scaling_config {
    maximum_concurrency = var.max_concurrency
  }
}
