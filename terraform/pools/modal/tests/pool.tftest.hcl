# What Skylift is told, and what is refused.

variables {
  name            = "My nightly Pool!"
  installation_id = "0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5d"
  environment     = "flows"
  token_id        = "ak-abc"
  token_secret    = "as-hunter2"
  register        = false
}

run "usual" {
  assert {
    condition     = can(regex("^skylift-my-nightly-pool-[0-9a-f]{12}$", output.app_name))
    error_message = "the App is named after the pool"
  }
  assert {
    condition     = output.registration.variables.pool_secret == null && output.registration.admission_secret_sha256 == null
    error_message = "the nonce alone admits runs unless a secret is given"
  }
  assert {
    condition     = !strcontains(jsonencode(output.registration), "hunter2")
    error_message = "the token's secret is in no output"
  }
}

run "with_an_app_and_a_secret" {
  variables {
    app         = "etl"
    pool_secret = { name = "admission", sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" }
  }

  assert {
    condition     = output.app_name == "etl" && output.registration.variables.pool_secret == "admission"
    error_message = "what is given is passed on"
  }
}

run "mistakes_are_refused" {
  command = plan

  variables {
    name              = "a/b"
    installation_id   = "mine"
    description       = ""
    concurrency_limit = -1
    environment       = "no spaces"
    app               = "no spaces"
    token_id          = "as-secret"
    token_secret      = "ak-id"
    token_version     = 0
    pool_secret       = { name = "admission", sha256 = "hunter2" }
  }

  expect_failures = [
    var.name,
    var.installation_id,
    var.description,
    var.concurrency_limit,
    var.environment,
    var.app,
    var.token_id,
    var.token_secret,
    var.token_version,
    var.pool_secret,
  ]
}
