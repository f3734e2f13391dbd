terraform {
  # Ephemeral variables keep the token's secret out of plan and state.
  required_version = ">= 1.11"
}
