"""The `azure-container-instance:push` provider: flow runs as container groups of Azure Container Instances."""
