"""How Skylift itself is run: one package per platform, each with the same five verbs as its functions."""
