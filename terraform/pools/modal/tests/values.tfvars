name            = "My nightly Pool!"
installation_id = "0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5d"
environment     = "flows"
token_id        = "ak-abc"
