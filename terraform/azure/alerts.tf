# Where lines and metrics go, and signs that something is wrong that Skylift cannot mend itself.

locals {
  told = "AppTraces | extend told = parse_json(Message) | where isnotnull(told.metrics)"
  # Functions count what fails for the last time; where a process dies instead, the runtime names the queue it puts it in.
  aside = join(" or ", concat(["toint(told.metrics.PoisonMessages) > 0"], [for each in values(local.poisons) : "Message has '${each}'"]))

  alerts = {
    poison-queue = {
      description = "Wakeups failed again and again: the database cannot be reached, or somebody else writes into the queues"
      query       = "AppTraces | extend told = parse_json(Message) | where ${local.aside} | project TimeGenerated"
      column      = null
      aggregation = "Count"
      threshold   = 0
      every       = "PT5M"
      window      = "PT15M"
      periods     = 1
    }
    late-runs = {
      description = "Runs wait for longer than they should: a pool has no room, or nothing dispatches"
      query       = "${local.told} | where isnotnull(told.metrics.LateRuns) | project TimeGenerated, number = toint(told.metrics.LateRuns)"
      column      = "number"
      aggregation = "Minimum"
      threshold   = var.late_runs_allowed
      every       = "PT5M"
      window      = "PT5M"
      periods     = 3
    }
    sweep-hits = {
      description = "Only the timer found what became of attempts: wakeups do not arrive"
      query       = "${local.told} | where isnotnull(told.metrics.SweepHits) | project TimeGenerated, number = toint(told.metrics.SweepHits)"
      column      = "number"
      aggregation = "Total"
      threshold   = var.sweep_hits_allowed
      every       = "PT15M"
      window      = "PT1H"
      periods     = 1
    }
  }
}

resource "azurerm_log_analytics_workspace" "this" {
  name                = local.app
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  sku                 = "PerGB2018"
  retention_in_days   = var.log_retention_days
  tags                = local.tags
}

resource "azurerm_application_insights" "this" {
  name                         = local.app
  resource_group_name          = azurerm_resource_group.this.name
  location                     = var.location
  workspace_id                 = azurerm_log_analytics_workspace.this.id
  application_type             = "web"
  local_authentication_enabled = false
  tags                         = local.tags
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "this" {
  for_each = local.alerts

  name                 = "${var.name}-${each.key}"
  description          = each.value.description
  resource_group_name  = azurerm_resource_group.this.name
  location             = var.location
  scopes               = [azurerm_log_analytics_workspace.this.id]
  severity             = 2
  evaluation_frequency = each.value.every
  window_duration      = each.value.window
  # The table is there with the first line only.
  skip_query_validation   = true
  auto_mitigation_enabled = true
  tags                    = local.tags

  criteria {
    query                   = each.value.query
    time_aggregation_method = each.value.aggregation
    metric_measure_column   = each.value.column
    operator                = "GreaterThan"
    threshold               = each.value.threshold

    failing_periods {
      minimum_failing_periods_to_trigger_alert = each.value.periods
      number_of_evaluation_periods             = each.value.periods
    }
  }

  action {
    action_groups = var.alert_action_group_ids
  }
}
