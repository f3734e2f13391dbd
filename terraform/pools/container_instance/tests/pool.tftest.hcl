# Applied to stand-ins for the providers: what is made, under which names, and what is refused.

variables {
  name            = "My nightly Pool!"
  installation_id = "0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5d"
  location        = "westeurope"
  register        = false
}

run "in_a_group_of_its_own" {
  assert {
    condition     = startswith(azurerm_resource_group.this[0].name, "skylift-my-nightly-pool-")
    error_message = "names begin with the pool's name as far as Azure takes it"
  }
  assert {
    condition     = can(regex("^skyliftmynightlypool[0-9a-f]{12}$", azurerm_container_registry.this[0].name))
    error_message = "the registry's name has letters and digits only"
  }
  assert {
    condition     = !azurerm_container_registry.this[0].admin_enabled
    error_message = "nobody gets into the registry by a password"
  }
  assert {
    condition     = length(azurerm_role_assignment.dispatcher) == 1 && endswith(azurerm_role_assignment.dispatcher[0].scope, "/resourceGroups/${output.resource_group}")
    error_message = "Skylift's rights are for the pool's resource group"
  }
  assert {
    condition     = length(azurerm_federated_identity_credential.dispatcher) == 0
    error_message = "nobody outside of Azure is trusted unless asked for"
  }
  assert {
    condition     = output.registration.credentials.data.client_id == output.dispatcher_client_id
    error_message = "Skylift is told which identity to use"
  }
}

run "with_what_is_there_already" {
  variables {
    resource_group = "flows"
    registry       = { name = "images", resource_group = "shared" }
    subnets        = ["/subscriptions/s/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/a"]
    dispatcher     = { issuer = "https://token.example", subject = "skylift" }
  }

  assert {
    condition     = length(azurerm_resource_group.this) + length(azurerm_container_registry.this) == 0
    error_message = "nothing is made that is there"
  }
  assert {
    condition     = azurerm_role_definition.dispatcher.assignable_scopes[1] == "/subscriptions/s/resourceGroups/net"
    error_message = "the role can be assigned where the subnets are"
  }
  assert {
    condition     = length(azurerm_role_assignment.dispatcher) == 2
    error_message = "the role is assigned on the subnet, too"
  }
  assert {
    condition     = azurerm_federated_identity_credential.dispatcher[0].subject == "skylift"
    error_message = "the dispatcher's tokens are trusted"
  }
  assert {
    condition     = output.registration.variables.subnet_ids == tolist(var.subnets)
    error_message = "runs go into the subnets that are given"
  }
}

run "another_installation_has_other_names" {
  variables {
    installation_id = "0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5e"
  }

  assert {
    condition     = output.resource_group != run.in_a_group_of_its_own.resource_group
    error_message = "pools of two installations never meet"
  }
}

run "mistakes_are_refused" {
  command = plan

  variables {
    name              = "a/b"
    installation_id   = "mine"
    description       = ""
    concurrency_limit = -1
    location          = "West Europe"
    resource_group    = "ends."
    registry          = { name = "a-b", resource_group = "shared" }
    subnets           = ["default"]
    dispatcher        = { issuer = "token.example", subject = "skylift" }
    tags              = { "skylift:work-pool" = "other" }
  }

  expect_failures = [
    var.name,
    var.installation_id,
    var.description,
    var.concurrency_limit,
    var.location,
    var.resource_group,
    var.registry,
    var.subnets,
    var.dispatcher,
    var.tags,
  ]
}
