# Applied to stand-ins for the providers: what is made, under which names, and what is refused.

variables {
  name            = "My nightly Pool!"
  installation_id = "0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5d"
  project         = "central-kit-405415"
  region          = "europe-west1"
  dispatchers     = ["serviceAccount:skylift-dispatch@central-kit-405415.iam.gserviceaccount.com"]
  register        = false
}

run "of_its_own" {
  assert {
    condition     = startswith(google_artifact_registry_repository.this[0].repository_id, "skylift-my-nightly-pool-")
    error_message = "names begin with the pool's name as far as Google takes it"
  }
  assert {
    condition     = alltrue([for each in [google_service_account.runtime[0], google_service_account.pushing] : length(each.account_id) <= 30])
    error_message = "a service account's name has 30 characters at most"
  }
  assert {
    condition     = strcontains(google_service_account_iam_member.acting.service_account_id, google_service_account.runtime[0].account_id)
    error_message = "Skylift may act as the runs' account alone"
  }
  assert {
    condition     = google_secret_manager_secret_iam_member.reading.member == "serviceAccount:${output.runtime_service_account}"
    error_message = "the runs read the secret that admits them"
  }
  assert {
    condition     = length(google_logging_project_sink.events) + length(google_iam_workload_identity_pool.this) == 0
    error_message = "nobody is told of ends, and nobody outside is trusted, unless asked for"
  }
  assert {
    condition     = output.registration.credentials.data == { project = "central-kit-405415", impersonate_service_account = output.pushing_service_account }
    error_message = "Skylift is told whom to impersonate"
  }
}

run "with_what_is_there_already" {
  variables {
    type            = "cloud-run:push"
    repository      = "images"
    service_account = "flows@central-kit-405415.iam.gserviceaccount.com"
    events_to       = "projects/other-project/topics/skylift-events"
  }

  assert {
    condition     = length(google_artifact_registry_repository.this) + length(google_service_account.runtime) + length(google_pubsub_topic.events) == 0
    error_message = "nothing is made that is there"
  }
  assert {
    condition     = output.registry == "europe-west1-docker.pkg.dev/central-kit-405415/images"
    error_message = "images go into the repository that is given"
  }
  assert {
    condition     = google_pubsub_topic_iam_member.publishing[0].project == "other-project" && google_pubsub_topic_iam_member.publishing[0].member == google_logging_project_sink.events[0].writer_identity
    error_message = "the sink may publish in the topic that is given"
  }
  assert {
    condition     = endswith(google_logging_project_sink.events[0].filter, "resource.labels.location=\"europe-west1\"")
    error_message = "only the region's ends are told"
  }
}

run "from_aws" {
  variables {
    dispatchers  = []
    aws_role     = "arn:aws:iam::123456789012:role/service/skylift-dispatch"
    events_to    = "ends"
    create_topic = true
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.this[0].attribute_condition == "attribute.aws_role == 'arn:aws:sts::123456789012:assumed-role/skylift-dispatch'"
    error_message = "only the role's sessions are let in"
  }
  assert {
    condition     = length(google_service_account_iam_binding.impersonation) == 0
    error_message = "nobody in Google's own cloud is let in"
  }
  assert {
    condition     = endswith(output.registration.credentials.data.workload_identity_provider, "/providers/aws")
    error_message = "Skylift is told the way in"
  }
  assert {
    condition     = google_pubsub_topic.events[0].name == "ends"
    error_message = "the topic is made where that is asked for"
  }
  assert {
    condition     = alltrue([for each in ["pubsub", "sts"] : contains(keys(google_project_service.this), each)])
    error_message = "what is used is activated"
  }
}

run "from_azure" {
  variables {
    dispatchers    = []
    azure_identity = { tenant = "44444444-4444-4444-4444-444444444444", object_id = "55555555-5555-5555-5555-555555555555", application = "api://skylift" }
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.this[0].oidc[0].allowed_audiences == tolist(["api://skylift"])
    error_message = "tokens for anything else are worth nothing"
  }
  assert {
    condition     = endswith(one(google_service_account_iam_binding.federation[0].members), "/subject/55555555-5555-5555-5555-555555555555")
    error_message = "nobody but the identity is let in"
  }
}

run "only_one_outsider" {
  command = plan

  variables {
    aws_role       = "arn:aws:iam::123456789012:role/skylift-dispatch"
    azure_identity = { tenant = "44444444-4444-4444-4444-444444444444", object_id = "55555555-5555-5555-5555-555555555555", application = "api://skylift" }
  }

  expect_failures = [var.azure_identity]
}

run "another_installation_has_other_names" {
  variables {
    installation_id = "0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5e"
  }

  assert {
    condition     = output.admission_secret != run.of_its_own.admission_secret
    error_message = "pools of two installations never meet"
  }
}

run "mistakes_are_refused" {
  command = plan

  variables {
    name                     = "a/b"
    installation_id          = "mine"
    type                     = "ecs:push"
    description              = ""
    concurrency_limit        = -1
    project                  = "No Project"
    region                   = "Europe"
    repository               = "UPPER"
    service_account          = "flows"
    aws_role                 = "skylift"
    events_to                = "projects/other-project/topics/"
    admission_secret_version = 0
    labels                   = { "skylift-owner" = "other" }
  }

  expect_failures = [
    var.name,
    var.installation_id,
    var.type,
    var.description,
    var.concurrency_limit,
    var.project,
    var.region,
    var.repository,
    var.service_account,
    var.aws_role,
    var.events_to,
    var.admission_secret_version,
    var.labels,
  ]
}

run "members_have_a_kind" {
  command = plan

  variables {
    dispatchers = ["skylift"]
  }

  expect_failures = [var.dispatchers]
}

run "an_identity_in_azure_is_one" {
  command = plan

  variables {
    azure_identity = { tenant = "mine", object_id = "mine", application = "skylift" }
  }

  expect_failures = [var.azure_identity]
}

run "somebody_has_to_push" {
  command = plan

  variables {
    dispatchers = []
  }

  expect_failures = [var.dispatchers]
}
