"""What flows left behind, in bulk, for the finished runs of `history`: task runs, events, artifacts, inputs, leases,
and deliveries to webhooks.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from skylift.store import Store

TASK_RUNS, KEYS, LIMITS = 2, 50, 300
"""Of each run; of all artifacts; with some leases each."""

_OF_RUNS = (
    f"""
    INSERT INTO task_runs (id, created, updated, name, flow_run_id, task_key, dynamic_key, empirical_policy, tags,
                           labels, task_inputs, state_id, state_type, state_name, state_timestamp, state_order,
                           run_count, flow_run_run_count, expected_start_time, start_time, end_time, total_run_time)
    SELECT gen_random_uuid(), created, created, 'task-' || n, id, 'task', n, '{{}}', '[]', '{{}}', '{{}}',
           gen_random_uuid(), 'COMPLETED', 'Completed', created, '0', 1, 1, created, created, end_time, 1
    FROM flow_runs CROSS JOIN generate_series(1, {TASK_RUNS}) AS n WHERE end_time IS NOT NULL
    """,
    """
    INSERT INTO task_run_states (id, task_run_id, timestamp, type, name, state_details)
    SELECT CASE WHEN type = 'COMPLETED' THEN state_id ELSE gen_random_uuid() END, id, created, type, initcap(type), '{}'
    FROM task_runs CROSS JOIN (VALUES ('PENDING'), ('RUNNING'), ('COMPLETED')) AS steps (type)
    """,
    """
    INSERT INTO events (id, occurred, received, event, resource_id, resource, related, payload, flow_run_id)
    SELECT s.id, s.timestamp, s.timestamp, 'prefect.task-run.' || s.name, 'prefect.task-run.' || t.id,
           '{"prefect.resource.id": "prefect.task-run.' || t.id || '"}',
           '[{"prefect.resource.id": "prefect.flow-run.' || t.flow_run_id || '", "prefect.resource.role": "flow-run"}]',
           '{}', t.flow_run_id
    FROM task_run_states AS s JOIN task_runs AS t ON t.id = s.task_run_id
    """,
    f"""
    INSERT INTO artifacts (id, created, updated, key, type, data, flow_run_id)
    SELECT gen_random_uuid(), created, created, 'report-' || row_number() OVER (ORDER BY created) % {KEYS}, 'markdown',
           '"text"', id
    FROM flow_runs WHERE end_time IS NOT NULL
    """,
    """
    INSERT INTO artifact_collections (id, created, updated, key, latest_id, type, flow_run_id)
    SELECT DISTINCT ON (key) gen_random_uuid(), created, created, key, id, type, flow_run_id
    FROM artifacts ORDER BY key, created DESC
    """,
    """
    INSERT INTO flow_run_inputs (id, created, updated, flow_run_id, key, value)
    SELECT gen_random_uuid(), created, created, id, 'answer', 'yes' FROM flow_runs WHERE end_time IS NOT NULL
    """,
    """
    INSERT INTO asked_runs (asked_by, flow_run_id)
    SELECT id, lag(id) OVER (ORDER BY id) FROM flow_runs WHERE end_time IS NOT NULL ORDER BY id OFFSET 1
    """,
    # The webhooks' ids are small numbers.
    """
    INSERT INTO webhook_deliveries (id, webhook_id, received, dedupe_key, outcome, flow_run_id)
    SELECT gen_random_uuid(), lpad((row_number() OVER (ORDER BY id) % 50)::text, 32, '0')::uuid, created, 'key ' || id,
           'run', id
    FROM flow_runs WHERE end_time IS NOT NULL
    """,
)
_LIMITS = f"""
INSERT INTO concurrency_limits (id, created, updated, name, "limit", active, active_slots, denied_slots, slots_at,
                                slot_decay_per_second, avg_slot_occupancy_seconds)
SELECT gen_random_uuid(), :at, :at, 'limit-' || n, 100, true, 5, 0, :at, 0, 2
FROM generate_series(1, {LIMITS}) AS n
"""
_LEASES = """
INSERT INTO concurrency_leases (id, limit_id, created, expires_at, slots, holder_type, holder_id)
SELECT gen_random_uuid(), id, :at, CAST(:at AS timestamptz) + interval '1 day', 1, 'flow_run', gen_random_uuid()
FROM concurrency_limits CROSS JOIN generate_series(1, 5)
"""


def add_records(store: Store, *, at: datetime) -> None:
    """Once a database. Leases are live for a day from `at`."""
    with store.engine.begin() as conn:
        for statement in _OF_RUNS:
            conn.execute(text(statement))
        for statement in (_LIMITS, _LEASES):
            conn.execute(text(statement), {"at": at})
