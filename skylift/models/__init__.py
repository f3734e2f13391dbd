"""The wire shapes of the control plane."""
