# Applied to stand-ins for the providers: how the parts refer to each other, and what is refused.

variables {
  project      = "central-kit-405415"
  region       = "europe-west1"
  database_url = "postgresql://skylift:hunter2@db.example/skylift"
}

run "usual" {
  assert {
    condition     = google_cloudfunctions2_function.this["dispatch"].service_config[0].environment_variables["SKYLIFT_API_URL"] == output.api_url && endswith(output.api_url, ".europe-west1.run.app/api")
    error_message = "runs reach the API where it is"
  }
  assert {
    condition     = alltrue([for each in google_cloudfunctions2_function.this : !strcontains(jsonencode(each.service_config[0].environment_variables), "hunter2")])
    error_message = "no secret is in the environment"
  }
  assert {
    condition     = sort([for each in google_cloudfunctions2_function.this["api"].service_config[0].secret_volumes : each.secret]) == tolist(["skylift-admin-key", "skylift-database-url", "skylift-sealing-keys"])
    error_message = "the three secrets are mounted"
  }
  assert {
    condition     = google_cloudfunctions2_function.this["api"].service_config[0].environment_variables["FUNCTION_USE_ASGI"] == "true" && !contains(keys(google_cloudfunctions2_function.this["api"].service_config[0].environment_variables), "SKYLIFT_IAM_CHECKED")
    error_message = "the API runs on the ASGI server, and nobody checks its callers for it"
  }
  assert {
    condition     = toset([for each in google_cloud_run_service_iam_member.public : each.service]) == toset(["skylift-api"])
    error_message = "nothing but the API is public"
  }
  assert {
    condition     = google_cloud_scheduler_job.tick["schedule"].http_target[0].oidc_token[0].audience == google_cloud_scheduler_job.tick["schedule"].http_target[0].uri
    error_message = "the timer shows a token for the function that it calls"
  }
  assert {
    condition     = google_pubsub_subscription.events["observe"].push_config[0].push_endpoint == output.function_urls["observe"]
    error_message = "ends of executions are pushed to observe"
  }
  assert {
    condition     = length(google_cloudfunctions2_function.this["api"].service_config[0].direct_vpc_network_interface) == 0
    error_message = "no VPC unless asked for"
  }
}

run "with_what_is_there_already" {
  variables {
    database_url_secret = "projects/data-project/secrets/skylift-database"
    api_url             = "https://skylift.example/api"
    settings            = { SKYLIFT_LATE_AFTER = "30" }
    vpc                 = { network = "default", subnetwork = "functions" }
  }

  assert {
    condition     = length(google_secret_manager_secret_version.database_url) == 0 && length(google_secret_manager_secret.this) == 2
    error_message = "no secret is made for a URL that is kept already"
  }
  assert {
    condition     = google_secret_manager_secret_iam_member.function["dispatch-database-url"].project == "data-project"
    error_message = "the secret may be read where it is"
  }
  assert {
    condition     = output.database_url_secret == "projects/data-project/secrets/skylift-database"
    error_message = "the secret that is given is named"
  }
  assert {
    condition     = google_cloudfunctions2_function.this["observe"].service_config[0].environment_variables["SKYLIFT_LATE_AFTER"] == "30" && output.api_url == "https://skylift.example/api"
    error_message = "settings reach every function"
  }
  assert {
    condition     = google_cloudfunctions2_function.this["schedule"].service_config[0].direct_vpc_network_interface[0].subnetwork == "functions"
    error_message = "functions are in the VPC that is given"
  }
}

run "mistakes_are_refused" {
  command = plan

  variables {
    project               = "No Project"
    region                = "Europe"
    name                  = "Skylift!"
    packages_dir          = "nowhere"
    database_url          = "mysql://db/skylift"
    database_url_version  = 0
    database_url_secret   = "skylift-database"
    admin_key_version     = 0.5
    api_url               = "http://skylift.example"
    console_folder        = "nowhere"
    settings              = { SKYLIFT_IAM_CHECKED = "true" }
    log_level             = "loud"
    log_retention_days    = 0
    max_concurrency       = 0
    api_instances         = 0
    vpc                   = { network = "", subnetwork = "" }
    notification_channels = ["somebody"]
    late_runs_allowed     = -1
    sweep_hits_allowed    = -1
    failures_allowed      = -1
    labels                = { "skylift-service" = "other" }
  }

  expect_failures = [
    var.project,
    var.region,
    var.name,
    var.packages_dir,
    var.database_url,
    var.database_url_version,
    var.database_url_secret,
    var.admin_key_version,
    var.api_url,
    var.console_folder,
    var.settings,
    var.log_level,
    var.log_retention_days,
    var.max_concurrency,
    var.api_instances,
    var.vpc,
    var.notification_channels,
    var.late_runs_allowed,
    var.sweep_hits_allowed,
    var.failures_allowed,
    var.labels,
  ]
}
