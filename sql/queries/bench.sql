-- Measuring: scratch databases, what is in them, and the ceiling that ingest is compared with.

-- name: create_database
create database {name}

-- name: drop_database
drop database if exists {name} with (force)

-- name: server
-- What changes a figure.
select
    current_setting('server_version') as postgres, current_setting('fsync') as fsync,
    current_setting('synchronous_commit') as synchronous_commit,
    coalesce(
        (select extversion from pg_extension where extname = 'timescaledb'),
        (select default_version from pg_available_extensions where name = 'timescaledb'), 'none'
    ) as timescaledb

-- name: register_agents
insert into agent (uuid, name, site)
select k.uuid, k.name, 'bench' from unnest(%(uuids)s::uuid[], %(names)s::text[]) as k (uuid, name)

-- name: ledger
-- What is stored of all agents, to be compared with what was sealed.
select
    (select coalesce(sum(last_seq), 0)::bigint from cursor) as batches,
    count(*) as ticks,
    coalesce(sum(cardinality(series)), 0)::bigint as readings,
    coalesce(sum((select sum(item) from unnest(value) as each (item))), 0)::text as value_sum
from tick

-- name: log_position
select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint

-- name: tick_bytes
-- The table with its chunks, indexes and out-of-line arrays.
with recursive part (oid) as (
    select 'tick'::regclass::oid union all select inhrelid from pg_inherits join part on inhparent = part.oid
)
select sum(pg_total_relation_size(oid))::bigint from part

-- name: copy_ticks_out
copy (
    select ticked_at, since, agent_id, reported, failed, series, value, stored_at from tick
    order by stored_at, agent_id, ticked_at limit {rows}
) to stdout (format binary)

-- name: copy_ticks_in
copy tick (ticked_at, since, agent_id, reported, failed, series, value, stored_at) from stdin (format binary)

-- name: empty_ticks
truncate tick

-- name: touch_again
-- Every slot that holds something is to be rolled up anew.
insert into touched (agent_id, width, slot)
select agent_id, 60, slot from slot_60 union all select agent_id, 5, slot from slot_5

-- name: settle
checkpoint

-- name: jobs_at_rest
-- Whether every job has run once: at its start an aggregator looks for what was missed.
select count(distinct job) = 4 and bool_and(ended_at is not null) from run
