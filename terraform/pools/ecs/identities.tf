# Who may do what: ECS itself, the flows, and Skylift. No right more than the provider's calls need.

resource "aws_iam_role" "execution" {
  name               = "${local.stem}-execution"
  description        = "Made by Skylift for a work pool"
  assume_role_policy = local.policies["trust_of_tasks"]
  tags               = local.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = local.shared.policy_name
  role   = aws_iam_role.execution.name
  policy = local.policies["execution"]
}

# May do nothing until you attach more.
resource "aws_iam_role" "task" {
  name               = "${local.stem}-task"
  description        = "Made by Skylift for a work pool"
  assume_role_policy = local.policies["trust_of_tasks"]
  tags               = local.tags
}

resource "aws_iam_role" "dispatcher" {
  name               = "${local.stem}-dispatcher"
  description        = "Made by Skylift for a work pool"
  assume_role_policy = local.policies["trust_of_dispatcher"]
  tags               = local.tags
}

resource "aws_iam_role_policy" "dispatcher" {
  name   = local.shared.policy_name
  role   = aws_iam_role.dispatcher.name
  policy = local.policies["dispatcher"]
}

# What the pool's containers show at their admission. Its value is neither in the plan nor in the state.
resource "aws_secretsmanager_secret" "admission" {
  #checkov:skip=CKV_AWS_149:Secrets Manager encrypts with a key of its own, which costs nothing
  #checkov:skip=CKV2_AWS_57:It is made anew by admission_secret_version, for Skylift has to be told of it in the same moment
  name                    = local.secret
  description             = "Admits the runs of a Skylift work pool"
  recovery_window_in_days = var.secret_recovery_days
  tags                    = local.tags
}

ephemeral "aws_secretsmanager_random_password" "admission" {
  password_length     = 43
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret_version" "admission" {
  secret_id                = aws_secretsmanager_secret.admission.id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.admission.random_password
  secret_string_wo_version = var.admission_secret_version
}

# As it is kept, which is not what was thought of for this plan once it is there.
ephemeral "aws_secretsmanager_secret_version" "admission" {
  secret_id  = aws_secretsmanager_secret_version.admission.secret_id
  version_id = aws_secretsmanager_secret_version.admission.version_id
}
