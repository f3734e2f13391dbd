"""The newest revision of the migrations, where it can be read without importing Alembic."""

HEAD = "0001"
