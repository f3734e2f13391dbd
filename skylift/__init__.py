"""Skylift: an open, serverless control plane with push work pools."""

__version__ = "0.1.0"
