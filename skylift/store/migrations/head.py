"""The newest revision, where it can be read without importing Alembic."""

HEAD = "0001"
