"""What a claim takes where runs of a deployment at its limit stand in front: the others' first ones.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_due_work_queue_id_deployment_id_due_at_flow_run_id",
        "due",
        ["work_queue_id", "deployment_id", "due_at", "flow_run_id"],
    )
