# Where runs get their addresses: subnets that are named, those of the default VPC, or a small VPC of the pool's own.

locals {
  default_network = !var.create_vpc && length(var.subnets) == 0
  zones           = var.create_vpc ? slice(sort(data.aws_availability_zones.this[0].names), 0, min(local.shared.zones, length(data.aws_availability_zones.this[0].names))) : []

  vpc_id = (
    var.create_vpc ? aws_vpc.this[0].id :
    local.default_network ? data.aws_vpc.default[0].id :
    data.aws_subnet.given[0].vpc_id
  )
  subnet_ids = (
    var.create_vpc ? [for each in aws_subnet.this : each.id] :
    local.default_network ? sort(data.aws_subnets.default[0].ids) :
    var.subnets
  )
  security_group_id = var.security_group != "" ? var.security_group : aws_security_group.this[0].id
}

data "aws_vpc" "default" {
  count = local.default_network ? 1 : 0

  default = true
}

data "aws_subnets" "default" {
  count = local.default_network ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default[0].id]
  }
}

data "aws_subnet" "given" {
  count = length(var.subnets) > 0 ? 1 : 0

  id = var.subnets[0]
}

data "aws_availability_zones" "this" {
  #checkov:skip=CKV_AWS_394:The first three by name are taken, which stay the first three when AWS adds another
  count = var.create_vpc ? 1 : 0

  state = "available"
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:Flow logs cost money for each connection; turn them on where you need them
  #checkov:skip=CKV2_AWS_12:Runs never get the default group: they have one of their own, below
  count = var.create_vpc ? 1 : 0

  cidr_block           = var.vpc_cidr
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = local.stem })
}

resource "aws_internet_gateway" "this" {
  count = var.create_vpc ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags   = merge(local.tags, { Name = local.stem })
}

resource "aws_subnet" "this" {
  count = length(local.zones)

  vpc_id            = aws_vpc.this[0].id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.vpc_cidr, 2, count.index)
  tags              = merge(local.tags, { Name = "${local.stem}-${local.zones[count.index]}" })
}

resource "aws_route_table" "this" {
  count = var.create_vpc ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags   = merge(local.tags, { Name = local.stem })
}

resource "aws_route" "out" {
  count = var.create_vpc ? 1 : 0

  route_table_id         = aws_route_table.this[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "this" {
  count = length(local.zones)

  subnet_id      = aws_subnet.this[count.index].id
  route_table_id = aws_route_table.this[0].id
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:Skylift gives it to each task that it starts
  count = var.security_group == "" ? 1 : 0

  name        = local.stem
  description = "Runs of a Skylift work pool: nothing comes in"
  vpc_id      = local.vpc_id
  tags        = merge(local.tags, { Name = local.stem })
}

resource "aws_vpc_security_group_egress_rule" "this" {
  count = var.security_group == "" ? 1 : 0

  security_group_id = aws_security_group.this[0].id
  description       = "Runs call wherever their code calls"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}
