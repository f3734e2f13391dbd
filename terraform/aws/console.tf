# The console, where it is wanted: a bucket that only CloudFront reads, and the API beside it on the same host, so that a
# session is a cookie that no script can read. The policy, types and caching are the service's own (console.json).

locals {
  console      = jsondecode(file("${path.module}/console.json"))
  has_console  = var.console_folder != null
  console_host = var.console_domain != null ? var.console_domain.name : one(aws_cloudfront_distribution.console[*].domain_name)
  console_url  = local.has_console ? "https://${local.console_host}/" : null
}

resource "aws_s3_bucket" "console" {
  #checkov:skip=CKV_AWS_18:CloudFront alone reads it, and what it holds is public
  #checkov:skip=CKV_AWS_21:Nothing in it is worth recovering: Terraform uploads it anew
  #checkov:skip=CKV_AWS_144:Nothing in it is worth recovering: Terraform uploads it anew
  #checkov:skip=CKV_AWS_145:S3 encrypts with keys of its own, and what it holds is public
  #checkov:skip=CKV2_AWS_61:There are no old versions to remove
  #checkov:skip=CKV2_AWS_62:Nobody waits for what Terraform uploads
  count = local.has_console ? 1 : 0

  bucket = "${var.name}-console-${local.account}"
  tags   = local.tags
}

resource "aws_s3_bucket_public_access_block" "console" {
  count = local.has_console ? 1 : 0

  bucket                  = aws_s3_bucket.console[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "console" {
  count = local.has_console ? 1 : 0

  bucket = aws_s3_bucket.console[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = "s3:GetObject"
      Resource  = "${aws_s3_bucket.console[0].arn}/*"
      Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.console[0].arn } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.console]
}

resource "aws_s3_object" "console" {
  for_each = toset(local.has_console ? fileset(var.console_folder, "**") : [])

  bucket        = aws_s3_bucket.console[0].id
  key           = each.key
  source        = "${var.console_folder}/${each.key}"
  source_hash   = filesha256("${var.console_folder}/${each.key}")
  content_type  = lookup(local.console.types, try(regex("\\.[^./]+$", each.key), ""), "application/octet-stream")
  cache_control = local.console.cache[startswith(each.key, local.console.hashed) ? "hashed" : "changing"]
}

resource "aws_cloudfront_origin_access_control" "console" {
  count = local.has_console ? 1 : 0

  name                              = "${var.name}-console"
  description                       = "CloudFront reads the bucket of Skylift's console"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

# What the API says itself of its answers stays.
resource "aws_cloudfront_response_headers_policy" "console" {
  #checkov:skip=CKV_AWS_259:Subdomains and the browsers' preload list are for the domain's owner to decide
  count = local.has_console ? 1 : 0

  name    = "${var.name}-console"
  comment = "Skylift's console"

  security_headers_config {
    content_security_policy {
      content_security_policy = local.console.policy
      override                = false
    }

    content_type_options {
      override = true
    }

    referrer_policy {
      referrer_policy = "same-origin"
      override        = false
    }

    strict_transport_security {
      access_control_max_age_sec = 31536000
      override                   = true
    }
  }
}

data "aws_cloudfront_cache_policy" "console" {
  for_each = toset(local.has_console ? ["Managed-CachingDisabled", "Managed-CachingOptimized"] : [])

  name = each.key
}

data "aws_cloudfront_origin_request_policy" "console" {
  count = local.has_console ? 1 : 0

  name = "Managed-AllViewerExceptHostHeader"
}

resource "aws_cloudfront_distribution" "console" {
  #checkov:skip=CKV_AWS_68:A WAF costs money while nobody calls, and whoever calls the API needs a key
  #checkov:skip=CKV2_AWS_47:A WAF costs money while nobody calls, and nothing here is written in Java
  #checkov:skip=CKV_AWS_86:The API's own log has each call; who read a public file is of no interest
  #checkov:skip=CKV_AWS_174:CloudFront sets this for its own names; with console_domain it is TLS 1.2
  #checkov:skip=CKV_AWS_310:There is one bucket and one API
  #checkov:skip=CKV_AWS_374:People may be anywhere
  #checkov:skip=CKV2_AWS_42:With console_domain the certificate is the user's own
  count = local.has_console ? 1 : 0

  comment             = "Skylift's console: ${var.name}"
  enabled             = true
  is_ipv6_enabled     = true
  http_version        = "http2and3"
  price_class         = "PriceClass_100"
  default_root_object = "index.html"
  aliases             = var.console_domain != null ? [var.console_domain.name] : []
  tags                = local.tags

  origin {
    origin_id                = "console"
    domain_name              = aws_s3_bucket.console[0].bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.console[0].id
  }

  origin {
    origin_id   = "api"
    domain_name = trimprefix(aws_apigatewayv2_api.this.api_endpoint, "https://")

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    target_origin_id           = "console"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    viewer_protocol_policy     = "redirect-to-https"
    compress                   = true
    cache_policy_id            = data.aws_cloudfront_cache_policy.console["Managed-CachingOptimized"].id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.console[0].id
  }

  # Nothing of the API is kept. It is known to API Gateway by its own name, so that of this host is not passed on.
  dynamic "ordered_cache_behavior" {
    for_each = ["/api/*", "/hooks/*"]

    content {
      path_pattern               = ordered_cache_behavior.value
      target_origin_id           = "api"
      allowed_methods            = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
      cached_methods             = ["GET", "HEAD"]
      viewer_protocol_policy     = "https-only"
      compress                   = true
      cache_policy_id            = data.aws_cloudfront_cache_policy.console["Managed-CachingDisabled"].id
      origin_request_policy_id   = data.aws_cloudfront_origin_request_policy.console[0].id
      response_headers_policy_id = aws_cloudfront_response_headers_policy.console[0].id
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.console_domain == null
    acm_certificate_arn            = var.console_domain != null ? var.console_domain.certificate_arn : null
    ssl_support_method             = var.console_domain != null ? "sni-only" : null
    minimum_protocol_version       = var.console_domain != null ? "TLSv1.2_2021" : "TLSv1"
  }
}
