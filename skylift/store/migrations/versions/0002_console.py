"""What the console reads: quotas, refusals for being too many, and runs by pool and by start.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ColumnElement, Float, Integer, PrimaryKeyConstraint, Text, Uuid, column

from skylift.store.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("work_pools", Column("quota_key", Text, nullable=True))
    op.add_column("quota_buckets", Column("rate", Float, nullable=True))
    op.add_column("quota_buckets", Column("burst", Integer, nullable=True))
    op.create_table(
        "throttles",
        Column("id", Uuid, nullable=False),
        Column("bucket", Text, nullable=False),
        Column("at", UtcDateTime, nullable=False),
        PrimaryKeyConstraint("id", name="pk_throttles"),
    )
    op.create_index("ix_throttles_bucket_at", "throttles", ["bucket", "at"])
    op.create_index(
        "ix_flow_runs_work_pool_id_state_type_expected_start_time",
        "flow_runs",
        ["work_pool_id", "state_type", "expected_start_time"],
    )
    op.drop_index("ix_flow_runs_work_pool_id_state_type", "flow_runs")
    # SQLite has what is null first anyway, and no words for it.
    is_sqlite = op.get_context().dialect.name == "sqlite"
    start: ColumnElement[object] = column("start_time") if is_sqlite else column("start_time").nulls_first()
    op.create_index("ix_flow_runs_start_time_id", "flow_runs", [start, "id"])
