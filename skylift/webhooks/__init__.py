"""What is pure about webhooks: signatures, bodies, and templates that make a flow run of a delivery."""
