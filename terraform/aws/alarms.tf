# Three signs that something is wrong that Skylift cannot mend itself.

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "Wakeups failed again and again: the database cannot be reached, or somebody else writes into the queues"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "late_runs" {
  alarm_name          = "${var.name}-late-runs"
  alarm_description   = "Runs wait for longer than they should: a pool has no room, or nothing dispatches"
  namespace           = "Skylift"
  metric_name         = "LateRuns"
  dimensions          = { service = var.name }
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.late_runs_allowed
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "sweep_hits" {
  alarm_name          = "${var.name}-sweep-hits"
  alarm_description   = "Only the timer found what became of attempts: wakeups or events do not arrive"
  namespace           = "Skylift"
  metric_name         = "SweepHits"
  dimensions          = { service = var.name }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.sweep_hits_allowed
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = local.tags
}
