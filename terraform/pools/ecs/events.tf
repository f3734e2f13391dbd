# Tells whoever observes of the cluster's task states, so that an end is seen within a second; and has leave to.

locals {
  told      = var.events_to == "" ? "" : split(":", var.events_to)[2]
  rule_arn  = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${local.stem}"
  queue_arn = local.told == "sqs" ? var.events_to : ""
  leave_to_send = {
    Sid       = local.stem
    Effect    = "Allow"
    Principal = { Service = "events.amazonaws.com" }
    Action    = "sqs:SendMessage"
    Resource  = local.queue_arn
    Condition = { ArnEquals = { "aws:SourceArn" = local.rule_arn } }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  count = var.events_to != "" ? 1 : 0

  name = local.stem
  tags = local.tags
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail      = { clusterArn = ["arn:${local.partition}:ecs:${local.region}:${local.account}:cluster/${local.cluster}"] }
  })
}

resource "aws_cloudwatch_event_target" "this" {
  count = var.events_to != "" ? 1 : 0

  rule      = aws_cloudwatch_event_rule.this[0].name
  target_id = local.shared.events_target
  arn       = var.events_to

  # A queue gets no event but a wakeup, for that is what Skylift takes from queues.
  dynamic "input_transformer" {
    for_each = local.told == "sqs" ? [local.shared.wakeup] : []

    content {
      input_paths    = input_transformer.value.paths
      input_template = input_transformer.value.template
    }
  }
}

resource "aws_lambda_permission" "events" {
  count = local.told == "lambda" ? 1 : 0

  statement_id  = local.stem
  action        = "lambda:InvokeFunction"
  function_name = var.events_to
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[0].arn
}

data "aws_sqs_queue" "told" {
  count = local.told == "sqs" && var.events_queue_policy ? 1 : 0

  name = split(":", var.events_to)[5]
}

resource "aws_sqs_queue_policy" "events" {
  count = local.told == "sqs" && var.events_queue_policy ? 1 : 0

  queue_url = data.aws_sqs_queue.told[0].url
  policy    = jsonencode({ Version = "2012-10-17", Statement = [local.leave_to_send] })
}
