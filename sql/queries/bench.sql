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
select count(distinct job) >= %(jobs)s::integer and bool_and(ended_at is not null) from run

-- name: world_clients
-- Clients in three currencies, each with a prefix that names of its assets begin with, and whose time before this month
-- is finalised.
insert into client (name, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor, finalised_slot)
select 'client-' || to_char(i, 'FM000000'), (array['EUR', 'USD', 'GBP'])[1 + i %% 3], 2,
       (array['UTC', 'Europe/Berlin', 'America/New_York'])[1 + i %% 3], 'month', 1, date '2024-01-01',
       slot_of(date_trunc('month', now()))
from generate_series(1, %(clients)s::integer) as i

-- name: world_agents
insert into agent (uuid, name, site)
select gen_random_uuid(), 'hv-' || to_char(i, 'FM000000'), 'site-' || i %% 20 from generate_series(1, %(agents)s::integer) as i

-- name: world_assets
-- Machines of clients in turn, those of one client side by side; every 25th is new and nobody's.
insert into asset (
    source_type_id, scope, external_id, name, address, labels, agent_id, acknowledged_at, assigned_by_hand, rebind, created_at
)
select (array[1, 5, 6])[1 + i %% 3], 'site:bench', 'machine-' || i,
       (array['web', 'db', 'cache', 'mail'])[1 + i %% 4] || '-' || to_char(1 + i %% 97, 'FM00') || '.c'
           || (i * %(clients)s::bigint / %(assets)s::integer),
       '10.' || i / 65536 || '.' || i / 256 %% 256 || '.' || i %% 256,
       jsonb_build_object(
           'env', (array['prod', 'test', 'dev'])[1 + i %% 3], 'team', 't' || i * %(clients)s::bigint / %(assets)s
       ),
       (select min(id) from agent) + i * %(agents)s::bigint / %(assets)s,
       case when i %% 25 > 0 then now() end, i %% 25 > 0, false, now() - i * interval '1 minute'
from generate_series(0, %(assets)s - 1) as i

-- name: world_series
insert into series (asset_id, unit_type_id)
select a.id, u from asset as a cross join generate_series(1, 5) as u order by a.id, u

-- name: world_measured
insert into series_agent (series_id, agent_id, from_slot, to_slot)
select s.id, a.agent_id, slot_of(date_trunc('month', now())), slot_of(date_trunc('hour', now()))
from series as s
join asset as a on a.id = s.asset_id

-- name: world_usage
insert into series_usage (series_id, month, total, high, last, last_slot, slots, readings)
select id, date_trunc('month', now())::date, id::numeric * 1000003 * 360, id::bigint * 1000003, id, slot_of(now()) - 12,
       360, 21600
from series

-- name: world_buckets
-- For each client as many buckets, of fifteen kinds in turn.
with kind as (
    insert into bucket (client_id, name, source_type_id, unit_type_id, priority)
    select c.id, 'bucket ' || kind.source || '/' || kind.unit || '/' || 1 + k / 15, kind.source, kind.unit, 0
    from client as c
    cross join generate_series(0, %(buckets)s::integer / %(clients)s::integer - 1) as k
    cross join lateral (select (array[1, 5, 6])[1 + k %% 15 / 5] as source, 1 + k %% 5 as unit) as kind
    returning id, unit_type_id
)
insert into bucket_terms (bucket_id, starts_on, commit, base_price, overage_price, aggregation)
select id, date '2024-01-01', id %% 3 * 100, 1.25, 2.5, case when unit_type_id in (1, 2) then 'sum' else 'avg' end
from kind

-- name: world_assignments
insert into assignment (asset_id, client_id, from_slot)
select a.id, (select min(id) from client) + (a.id - (select min(id) from asset)) * %(clients)s::bigint / %(assets)s::integer,
       slot_of(date_trunc('month', now()))
from asset as a
where a.acknowledged_at is not null

-- name: world_bindings
-- All of what is somebody's but every 50th asset of it.
insert into binding (series_id, bucket_id, from_slot)
select s.id, k.id, x.from_slot
from assignment as x
join asset as a on a.id = x.asset_id
join series as s on s.asset_id = a.id
join (
    select client_id, source_type_id, unit_type_id, min(id) as id
    from bucket
    group by client_id, source_type_id, unit_type_id
) as k on k.client_id = x.client_id and k.source_type_id = a.source_type_id and k.unit_type_id = s.unit_type_id
where a.id %% 50 <> 7

-- name: world_run
insert into run (job, started_at, ended_at, state) values ('billing', now(), now(), 'done')

-- name: world_figures
-- Of the open month: a reading and a projection for each bucket.
with rated as (
    insert into billing_reading (
        bucket_id, period_start, period_end, from_slot, to_slot, terms_id, aggregation, quantity, commit, overage_units,
        currency, used, buffer, overage, cost, as_of_slot, cutoff, run_id
    )
    select b.id, date_trunc('month', now()), date_trunc('month', now()) + interval '1 month',
           slot_of(date_trunc('month', now())), slot_of(date_trunc('month', now()) + interval '1 month'), t.id, t.aggregation,
           b.id %% 200, t.commit, 0, c.currency, b.id, 0, 0, b.id, slot_of(now()), now(), (select min(id) from run)
    from bucket as b
    join bucket_terms as t on t.bucket_id = b.id
    join client as c on c.id = b.client_id
    returning *
)
insert into projection (
    bucket_id, period_start, period_end, aggregation, current_quantity, projected_quantity, currency, projected_cost,
    percent_of_commit, calculated_at, run_id
)
select bucket_id, period_start, period_end, aggregation, quantity, quantity * 2, currency, cost * 2,
       case when commit > 0 then round(quantity * 200 / commit, 2) end, now(), run_id
from rated

-- name: world_past
-- The readings of an earlier month, which is final: more and less than those of the open one.
insert into billing_reading (
    bucket_id, period_start, period_end, from_slot, to_slot, terms_id, aggregation, quantity, commit, overage_units,
    currency, used, buffer, overage, cost, as_of_slot, cutoff, run_id, finalised_at
)
select r.bucket_id, p.starts, p.ends, slot_of(p.starts), slot_of(p.ends), r.terms_id, r.aggregation,
       r.bucket_id * (%(back)s::integer + 1) %% 200, r.commit, r.overage_units, r.currency, r.used, r.buffer, r.overage,
       r.cost, slot_of(p.ends), p.ends, r.run_id, p.ends
from billing_reading as r
cross join lateral (
    select r.period_start - %(back)s * interval '1 month' as starts,
           r.period_start - (%(back)s - 1) * interval '1 month' as ends
) as p
where r.finalised_at is null

-- name: world_measured_candidates
update unbound_candidate as u
set measured = int4multirange(whole_slots(m.from_slot, m.to_slot, u.width))
from series_agent as m
where m.series_id = u.series_id

-- name: world_seen
update asset_seen set last_slot = slot_of(now()) - (asset_id %% 97)::integer * 12

-- name: world_counts
select (select count(*) from asset) as assets, (select count(*) from series) as series,
       (select count(*) from binding) as bindings, (select count(*) from bucket) as buckets,
       (select count(*) from client) as clients, (select count(*) from unbound_candidate) as candidates

-- name: world_any
-- An asset of somebody, a bucket of its client with a filter to try, and two hundred assets that are nobody's.
select (select min(asset_id) from assignment) as asset,
       (select bucket_id from binding order by id limit 1) as bucket,
       array(select a.id from asset a where a.acknowledged_at is null order by a.id desc limit 200) as fresh

-- name: world_flag_one
update asset set rebind = true where id = %(asset)s

-- name: world_analyze
analyze

-- name: world_settle
-- As autovacuum leaves it.
vacuum analyze
