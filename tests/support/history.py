"""A past for Postgres databases, made in bulk: finished runs with all that hangs on them, schedules with their runs to
come, and the dead rows that claim cycles leave behind.

It writes the tables directly, as the engine would have left them; only what the engine itself makes is ever measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Table, text

from skylift.store import Store
from skylift.store.tables import (
    deployments,
    ended_attempts,
    flow_run_states,
    flow_run_timeline,
    flow_runs,
    log_batches,
    schedule_slots,
)

# As `skylift.ids.new_id` makes them: ids sort by time.
_ID_AT = """
CREATE OR REPLACE FUNCTION pg_temp.id_at(t timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 19))
         ::uuid $$
"""
_RUN_COLUMNS = (
    "id, created, updated, flow_id, deployment_id, name, parameters, job_variables, context, tags, labels,"
    " empirical_policy, idempotency_key, auto_scheduled, work_pool_id, work_queue_id, state_id, state_type, state_name,"
    " state_timestamp, run_count, expected_start_time, next_scheduled_start_time, start_time, end_time,"
    " total_run_time, infrastructure_retries, launch_delays"
)
_FINISHED = f"""
INSERT INTO flow_runs ({_RUN_COLUMNS})
SELECT pg_temp.id_at(at), at, at, d.flow_id, d.id, 'run-' || n, '{{"day": "today"}}', '{{}}', '{{}}',
       '["auto-scheduled"]', '{{}}', '{{}}', 'scheduled ' || n, true, d.work_pool_id, d.work_queue_id,
       pg_temp.id_at(at), ended, initcap(ended), at, 1, at, NULL, at, at + interval '20 s', 20, 0, 0
FROM (SELECT n, CAST(:before AS timestamptz) - n * interval '1 s' AS at,
             CASE WHEN n % 20 = 0 THEN 'FAILED' WHEN n % 33 = 0 THEN 'CRASHED' ELSE 'COMPLETED' END AS ended,
             1 + n % (SELECT count(*) FROM deployments) AS place
      FROM generate_series(:count, 1, -1) AS n) AS runs
JOIN (SELECT *, row_number() OVER (ORDER BY id) AS place FROM deployments) AS d USING (place)
"""
_HANGS_ON_FINISHED = (
    """
    INSERT INTO flow_run_states (id, flow_run_id, timestamp, type, name, message, state_details)
    SELECT CASE WHEN type = 'END' THEN r.state_id ELSE pg_temp.id_at(r.created) END, r.id,
           r.created + step * interval '1 s', CASE WHEN type = 'END' THEN r.state_type ELSE type END,
           initcap(type), NULL, '{"scheduled_time": "2026-01-01T00:00:00Z"}'
    FROM flow_runs AS r CROSS JOIN (VALUES (0, 'SCHEDULED'), (1, 'PENDING'), (20, 'END')) AS steps (step, type)
    WHERE r.end_time IS NOT NULL
    """,
    """
    INSERT INTO flow_run_timeline (id, flow_run_id, at, kind, message)
    SELECT pg_temp.id_at(r.created), r.id, r.created + step * interval '1 s', kind, 'It was ' || kind
    FROM flow_runs AS r CROSS JOIN (VALUES (0, 'created'), (1, 'launched'), (20, 'completed')) AS steps (step, kind)
    WHERE r.end_time IS NOT NULL
    """,
    """
    INSERT INTO log_batches (id, flow_run_id, first_at, last_at, max_level, lines, body)
    SELECT pg_temp.id_at(r.created), r.id, r.created, r.created, 20, 3, decode(repeat('ab', 120), 'hex')
    FROM flow_runs AS r WHERE r.end_time IS NOT NULL
    """,
    """
    INSERT INTO ended_attempts (id, flow_run_id, work_pool_id, provider_type, request, handle, ended_at,
                                output_offset, reports, reported_end)
    SELECT gen_random_uuid(), r.id, r.work_pool_id, 'cloud:push', repeat('x', 300), 'container/' || r.id,
           r.end_time, 0, false, false
    FROM flow_runs AS r WHERE r.end_time IS NOT NULL
    """,
    """
    INSERT INTO schedule_slots (deployment_id, identity, slot, flow_run_id)
    SELECT r.deployment_id, 'past', r.expected_start_time, r.id FROM flow_runs AS r WHERE r.end_time IS NOT NULL
    """,
)
_DEPLOYMENTS = """
INSERT INTO deployments (id, created, updated, flow_id, name, tags, labels, paused, parameters,
                         enforce_parameter_schema, job_variables, work_pool_id, work_queue_id, engine, claims)
SELECT gen_random_uuid(), :at, :at, d.flow_id, 'filler-' || n, '[]', '{}', false, '{}', false, '{"command": "true"}',
       d.work_pool_id, d.work_queue_id, 'command', 0
FROM deployments AS d CROSS JOIN generate_series(1, :count) AS n WHERE d.id = :like
"""
_SCHEDULES = """
INSERT INTO deployment_schedules (id, created, updated, deployment_id, active, schedule, parameters, identity,
                                  cursor, tick_at)
SELECT gen_random_uuid(), :at, :at, d.id, true, '{"cron": "0 0 * * *", "timezone": "UTC", "day_or": true}', '{}',
       'filler', CAST(:at AS timestamptz) + interval '12 d',
       CAST(:at AS timestamptz) + interval '10 d' + random() * interval '1 d'
FROM deployments AS d WHERE d.name LIKE 'filler-%'
"""
_RUNS_TO_COME = f"""
INSERT INTO flow_runs ({_RUN_COLUMNS})
SELECT pg_temp.id_at(:at), :at, :at, d.flow_id, d.id, 'to-come-' || n, '{{}}', '{{}}', '{{}}', '["auto-scheduled"]',
       '{{}}', '{{}}', 'to come ' || d.id || n, true, d.work_pool_id, d.work_queue_id, pg_temp.id_at(:at),
       'SCHEDULED', 'Scheduled', :at, 0, slot, slot, NULL, NULL, 0, 0, 0
FROM deployments AS d CROSS JOIN generate_series(1, 3) AS n,
     LATERAL (SELECT CAST(:at AS timestamptz) + (9 + n) * interval '1 d' AS slot) AS slots
WHERE d.name LIKE 'filler-%'
"""
_HANGS_ON_TO_COME = (
    """
    INSERT INTO due (flow_run_id, work_pool_id, work_queue_id, deployment_id, due_at, watch_late)
    SELECT id, work_pool_id, work_queue_id, deployment_id, next_scheduled_start_time, true
    FROM flow_runs WHERE name LIKE 'to-come-%'
    """,
    """
    INSERT INTO flow_run_states (id, flow_run_id, timestamp, type, name, state_details)
    SELECT state_id, id, created, 'SCHEDULED', 'Scheduled', '{}' FROM flow_runs WHERE name LIKE 'to-come-%'
    """,
    """
    INSERT INTO flow_run_timeline (id, flow_run_id, at, kind, message)
    SELECT pg_temp.id_at(created), id, created, 'created', 'Scheduled' FROM flow_runs WHERE name LIKE 'to-come-%'
    """,
    """
    INSERT INTO schedule_slots (deployment_id, identity, slot, flow_run_id)
    SELECT deployment_id, 'filler', expected_start_time, id FROM flow_runs WHERE name LIKE 'to-come-%'
    """,
)
# A run's way in the transactions and statements of the engine, reduced to one run: made, claimed, frozen, launched,
# looked at, ended, cleaned up. The run is then removed, as retention does. A schedule is moved on each time.
_CYCLES = f"""
CREATE OR REPLACE PROCEDURE pg_temp.cycles(n int, deployment uuid, start timestamptz) LANGUAGE plpgsql AS $$
DECLARE
  d deployments; run uuid; attempt uuid; t timestamptz;
  schedules uuid[] := ARRAY(SELECT id FROM deployment_schedules WHERE identity <> 'filler' LIMIT 100);
BEGIN
  SELECT * INTO d FROM deployments WHERE id = deployment;
  FOR i IN 1..n LOOP
    t := start + i * interval '50 ms'; run := pg_temp.id_at(t); attempt := gen_random_uuid();
    INSERT INTO flow_runs ({_RUN_COLUMNS}) VALUES (run, t, t, d.flow_id, d.id, 'cycle', '{{}}', '{{}}', '{{}}', '[]',
      '{{}}', '{{}}', NULL, true, d.work_pool_id, d.work_queue_id, run, 'SCHEDULED', 'Scheduled', t, 0, t, t, NULL,
      NULL, 0, 0, 0);
    INSERT INTO flow_run_states (id, flow_run_id, timestamp, type, name, state_details)
      VALUES (run, run, t, 'SCHEDULED', 'Scheduled', '{{}}');
    INSERT INTO due VALUES (run, d.work_pool_id, d.work_queue_id, d.id, t, true);
    COMMIT;
    UPDATE work_pools SET claims = claims + 1 WHERE id = d.work_pool_id;
    PERFORM count(*) FROM attempts WHERE work_pool_id = d.work_pool_id GROUP BY work_queue_id;
    PERFORM * FROM due WHERE work_queue_id = d.work_queue_id AND due_at <= t
      AND due_at >= (SELECT min(due_at) FROM due WHERE work_queue_id = d.work_queue_id)
      ORDER BY due_at, flow_run_id LIMIT 50;
    UPDATE flow_runs SET state_type = 'PENDING', next_scheduled_start_time = NULL WHERE id = run;
    DELETE FROM due WHERE flow_run_id = run;
    INSERT INTO attempts (id, flow_run_id, work_pool_id, work_queue_id, deployment_id, provider_type, phase,
                          claimed_at, lease_owner, lease_until, look_at, launch_calls, reports, output_offset)
      VALUES (attempt, run, d.work_pool_id, d.work_queue_id, d.id, 'cloud:push', 'claimed', t, run,
              t + interval '60 s', t + interval '60 s', 0, true, 0);
    COMMIT;
    UPDATE attempts SET phase = 'launching', request = repeat('x', 800), launch_calls = 1,
                        look_at = t + interval '65 s' WHERE id = attempt;
    COMMIT;
    UPDATE attempts SET handle = 'container/' || id, launched_at = t, phase = 'launched',
                        look_at = t + interval '1 s' WHERE id = attempt;
    COMMIT;
    PERFORM * FROM attempts WHERE look_at <= t + interval '2 s' AND look_at >= (SELECT min(look_at) FROM attempts)
      ORDER BY provider_type, look_at LIMIT 200;
    UPDATE attempts SET look_at = t + interval '10 s' WHERE id = attempt;
    COMMIT;
    UPDATE flow_runs SET state_type = 'COMPLETED', state_name = 'Completed', end_time = t WHERE id = run;
    DELETE FROM attempts WHERE id = attempt;
    PERFORM min(due_at) FROM due WHERE work_pool_id = d.work_pool_id;
    INSERT INTO ended_attempts (id, flow_run_id, work_pool_id, provider_type, ended_at, output_offset, reports,
                                reported_end, cleanup_at)
      VALUES (attempt, run, d.work_pool_id, 'cloud:push', t, 0, true, false, t);
    COMMIT;
    PERFORM * FROM ended_attempts WHERE cleanup_at <= t
      AND cleanup_at >= (SELECT min(cleanup_at) FROM ended_attempts) ORDER BY cleanup_at LIMIT 200;
    UPDATE ended_attempts SET cleanup_at = NULL WHERE id = attempt;
    COMMIT;
    DELETE FROM ended_attempts WHERE id = attempt;
    DELETE FROM flow_run_states WHERE flow_run_id = run;
    DELETE FROM flow_runs WHERE id = run;
    PERFORM id FROM deployment_schedules WHERE tick_at <= t
      AND tick_at >= (SELECT min(tick_at) FROM deployment_schedules) ORDER BY tick_at LIMIT 100;
    PERFORM flow_run_id FROM due WHERE watch_late AND due_at < t
      AND due_at >= (SELECT min(due_at) FROM due WHERE watch_late) ORDER BY due_at LIMIT 100;
    UPDATE deployment_schedules SET tick_at = t WHERE id = schedules[1 + i % array_length(schedules, 1)];
    COMMIT;
  END LOOP;
END $$
"""


_A_CALL = 1_000


def add_finished(store: Store, count: int, *, before: datetime) -> None:
    """Finished runs, spread over the deployments that there are, one for each second up to `before`. Once a database:
    three states, three lines of the timeline, a batch of logs, an ended attempt and a slot go with each."""
    with store.engine.begin() as conn, _rebuilt_indexes(conn, count):
        conn.execute(text(_ID_AT))
        conn.execute(text(_FINISHED), {"count": count, "before": before})
        for statement in _HANGS_ON_FINISHED:
            conn.execute(text(statement))


def add_schedules(store: Store, count: int, *, like: Row[Any], at: datetime) -> None:
    """Schedules that want nothing before ten days from `at`, each of a deployment of its own like this one, each with
    three runs to come."""
    with store.engine.begin() as conn, _rebuilt_indexes(conn, count // 10):
        conn.execute(text(_ID_AT))
        conn.execute(text(_DEPLOYMENTS), {"count": count, "like": like.id, "at": at})
        for statement in (_SCHEDULES, _RUNS_TO_COME):
            conn.execute(text(statement), {"at": at})
        for statement in _HANGS_ON_TO_COME:
            conn.execute(text(statement))


def run_cycles(store: Store, count: int, *, deployment: Row[Any], start: datetime) -> None:
    """Leave behind what `count` claim cycles of one run each leave: dead rows in every table that they write.

    Autovacuum hears of them between two calls, and the plans that a procedure keeps are not allowed to scan whole
    tables: they are made while these are empty.
    """
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text(_ID_AT))
        conn.execute(text(_CYCLES))
        conn.execute(text("SET enable_seqscan = off"))
        call = text("CALL pg_temp.cycles(CAST(:count AS int), :id, :start)")
        for done in range(0, count, _A_CALL):
            at = start + timedelta(seconds=done * 0.05)
            conn.execute(call, {"count": min(_A_CALL, count - done), "id": deployment.id, "start": at})
        conn.execute(text("RESET enable_seqscan"))


def analyze(store: Store, *tables: Table) -> None:
    """Have the planner's statistics brought up to date, as autovacuum does in time; all tables by default."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("ANALYZE " + ", ".join(table.name for table in tables)))


@contextmanager
def _rebuilt_indexes(conn: Connection, count: int) -> Iterator[None]:
    """Build secondary indexes once at the end where there is much to insert."""
    conn.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
    tables = (flow_runs, flow_run_states, flow_run_timeline, log_batches, ended_attempts, schedule_slots, deployments)
    indexes = [index for table in tables for index in table.indexes] if count >= 100_000 else []
    for index in indexes:
        index.drop(conn)
    yield
    for index in indexes:
        index.create(conn)
