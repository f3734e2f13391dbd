# Aurora DSQL, where it is wanted. Nothing about it is secret: whoever connects signs in by their role.

resource "aws_dsql_cluster" "this" {
  count = var.create_dsql ? 1 : 0

  deletion_protection_enabled = var.dsql_deletion_protection
  tags                        = merge(local.tags, { Name = var.name })
}

locals {
  # As the functions take it; the name `admin` is the one that needs no statement in SQL before.
  dsql_urls = [for each in aws_dsql_cluster.this : "dsql://admin@${each.identifier}.dsql.${local.region}.on.aws/postgres"]
  dsql_statements = [for each in aws_dsql_cluster.this :
    { Effect = "Allow", Action = ["dsql:DbConnectAdmin"], Resource = [each.arn] }
  ]
}
