"""What `--provision-infra` makes: the infrastructure of push work pools, one package per cloud."""
