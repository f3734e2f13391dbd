# The console, where it is wanted, in a bucket of its own, which everybody may read. A load balancer before it would give it
# a domain and headers, and costs money while nobody calls. Under the bucket's own host the page has an origin to itself:
# under storage.googleapis.com/BUCKET it would share one, and what it holds, with everybody's buckets.

locals {
  console        = jsondecode(file("${path.module}/console.json"))
  has_console    = var.console_folder != null
  console_bucket = "${var.name}-console-${data.google_project.this.number}"
  console_origin = "https://${local.console_bucket}.storage.googleapis.com"
  console_url    = local.has_console ? "${local.console_origin}/index.html" : null

  console_settings = { for name, value in {
    SKYLIFT_CONSOLE_URL = local.console_url
    SKYLIFT_UI_ORIGINS  = jsonencode([local.console_origin])
  } : name => value if local.has_console }
}

resource "google_storage_bucket" "console" {
  #checkov:skip=CKV_GCP_62:Who read a public file is of no interest
  #checkov:skip=CKV_GCP_78:Nothing in it is worth recovering: Terraform uploads it anew
  #checkov:skip=CKV_GCP_114:Browsers fetch the console before anybody has signed in
  count = local.has_console ? 1 : 0

  project                     = var.project
  name                        = local.console_bucket
  location                    = var.region
  uniform_bucket_level_access = true
  labels                      = local.labels

  lifecycle {
    precondition {
      condition     = strcontains(file("${var.console_folder}/index.html"), format(local.console.api_tag, local.api_url))
      error_message = "The console in console_folder looks for the API elsewhere. Write it anew: skylift ui export FOLDER --api-url ${local.api_url}"
    }
  }

  depends_on = [google_project_service.this]
}

# Whoever knows a file's name may read it; nobody may list them.
resource "google_storage_bucket_iam_member" "console" {
  #checkov:skip=CKV_GCP_28:Browsers fetch the console before anybody has signed in
  count = local.has_console ? 1 : 0

  bucket = google_storage_bucket.console[0].name
  role   = "roles/storage.legacyObjectReader"
  member = "allUsers"
}

resource "google_storage_bucket_object" "console" {
  for_each = toset(local.has_console ? fileset(var.console_folder, "**") : [])

  bucket         = google_storage_bucket.console[0].name
  name           = each.key
  source         = "${var.console_folder}/${each.key}"
  source_md5hash = filemd5("${var.console_folder}/${each.key}")
  content_type   = lookup(local.console.types, try(regex("\\.[^./]+$", each.key), ""), "application/octet-stream")
  cache_control  = local.console.cache[startswith(each.key, local.console.hashed) ? "hashed" : "changing"]
}
