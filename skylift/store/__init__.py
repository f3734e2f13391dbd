"""The SQL store: tables, transactions, and one module of queries per resource."""

from skylift.store.engine import Store, Tx

__all__ = ["Store", "Tx"]
