"""The first tables.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from alembic import op

from skylift.store.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Until the first release the tables are created as they stand; from then on each change is a revision."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    metadata.drop_all(op.get_bind())
