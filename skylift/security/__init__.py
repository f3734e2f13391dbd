"""Keys, sealing and tokens."""
