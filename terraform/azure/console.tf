# The console, where it is wanted: a storage account of its own whose static website everybody may read. Front Door before it
# would give it headers and a domain, and costs money while nobody calls.

locals {
  console        = jsondecode(file("${path.module}/console.json"))
  has_console    = var.console_folder != null
  console_url    = one(azurerm_storage_account.console[*].primary_web_endpoint)
  console_origin = local.has_console ? trimsuffix(local.console_url, "/") : null

  console_settings = { for name, value in {
    SKYLIFT_CONSOLE_URL = local.console_url
    SKYLIFT_UI_ORIGINS  = jsonencode([local.console_origin])
  } : name => value if local.has_console }
}

resource "azurerm_storage_account" "console" {
  #checkov:skip=CKV2_AZURE_1:Azure encrypts with keys of its own, and what it holds is public
  #checkov:skip=CKV2_AZURE_33:Browsers fetch the console from anywhere
  #checkov:skip=CKV_AZURE_33:It has no queues
  #checkov:skip=CKV_AZURE_43:checkov cannot work the name out; the module's tests see that it keeps to the rules
  #checkov:skip=CKV_AZURE_59:Browsers fetch the console from anywhere
  #checkov:skip=CKV_AZURE_206:Nothing in it is worth recovering: Terraform uploads it anew
  #checkov:skip=CKV2_AZURE_38:Nothing in it is worth recovering: Terraform uploads it anew
  #checkov:skip=CKV2_AZURE_41:Nobody has a key to sign with
  count = local.has_console ? 1 : 0

  name                = "${substr(local.plain, 0, 13)}web${local.unique}"
  resource_group_name = azurerm_resource_group.this.name
  location            = var.location
  tags                = local.tags

  account_tier                     = "Standard"
  account_replication_type         = "LRS"
  min_tls_version                  = "TLS1_2"
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  local_user_enabled               = false

  lifecycle {
    precondition {
      condition     = strcontains(file("${var.console_folder}/index.html"), format(local.console.api_tag, local.api_url))
      error_message = "The console in console_folder looks for the API elsewhere. Write it anew: skylift ui export FOLDER --api-url ${local.api_url}"
    }
  }
}

# Whoever applies this uploads the files. Azure may take minutes to put the right into effect: apply again then.
resource "azurerm_role_assignment" "console_writer" {
  count = local.has_console ? 1 : 0

  scope                = azurerm_storage_account.console[0].id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = data.azurerm_client_config.this.object_id
}

resource "azurerm_storage_account_static_website" "console" {
  count = local.has_console ? 1 : 0

  storage_account_id = azurerm_storage_account.console[0].id
  index_document     = "index.html"

  depends_on = [azurerm_role_assignment.console_writer]
}

# The container $web is made with the website.
resource "azurerm_storage_blob" "console" {
  for_each = toset(local.has_console ? fileset(var.console_folder, "**") : [])

  storage_container_id = "${azurerm_storage_account.console[0].id}/blobServices/default/containers/$web"
  name                 = each.key
  type                 = "Block"
  source               = "${var.console_folder}/${each.key}"
  content_md5          = filemd5("${var.console_folder}/${each.key}")
  content_type         = lookup(local.console.types, try(regex("\\.[^./]+$", each.key), ""), "application/octet-stream")
  cache_control        = local.console.cache[startswith(each.key, local.console.hashed) ? "hashed" : "changing"]

  depends_on = [azurerm_storage_account_static_website.console]
}
