# Tells whoever observes of the cluster's task states, so that an end is seen within a second.

resource "aws_cloudwatch_event_rule" "this" {
  count = var.events_to != "" ? 1 : 0

  name = local.stem
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail      = { clusterArn = ["arn:${local.partition}:ecs:${local.region}:${local.account}:cluster/${local.cluster}"] }
  })
  tags = local.tags
}

resource "aws_cloudwatch_event_target" "this" {
  count = var.events_to != "" ? 1 : 0

  rule      = aws_cloudwatch_event_rule.this[0].name
  target_id = "skylift"
  arn       = var.events_to
}
