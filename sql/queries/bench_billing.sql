-- A month to be billed: clients with agents, buckets of every kind and aggregation, and their slots.

-- name: clients
insert into client (name, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor)
select 'client ' || c, 'EUR', 2, 'UTC', 'month', 1, '2020-01-01'
from generate_series(1, %(clients)s::integer) as c

-- name: agents
insert into agent (uuid, name, site)
select gen_random_uuid(), 'agent ' || c.id || '-' || a, 'site'
from client c
cross join generate_series(1, %(agents)s::integer) as a

-- name: buckets
-- Bucket b of a client counts unit types and aggregations in turn; its terms are of the month alone.
with made as (
    insert into bucket (client_id, name, source_type_id, unit_type_id)
    select c.id, 'bucket ' || b, 5, u.ids[1 + b %% cardinality(u.ids)]
    from client c
    cross join generate_series(0, %(buckets)s::integer - 1) as b
    cross join (
        select array_agg(id order by id) as ids from unit_type where name in ('ram', 'disk', 'net-in', 'cpu')
    ) u
    order by c.id, b
    returning id
)
insert into bucket_terms (bucket_id, starts_on, ends_on, commit, base_price, overage_price, aggregation, percentile)
select
    id, %(starts_on)s, %(ends_on)s, 10, 0.5, 0.75, (array['sum', 'avg', 'max', 'percentile', 'last', 'count', 'sum_of_max', 'min'])[n],
    case when n = 4 then 95 end
from (select id, 1 + (id / 4) %% 8 as n from made) numbered

-- name: series
-- Each bucket has so many assets of its own, the agents of its client in turn; bound since ever.
with metered as (
    insert into asset (source_type_id, scope, external_id, name, agent_id)
    select 5, 'site:site', 'asset ' || b.id || '-' || s, b.id::text, a.ids[1 + (b.id * %(series)s + s) %% cardinality(a.ids)]
    from bucket b
    cross join generate_series(1, %(series)s::integer) as s
    join (
        select c.id as client_id, array_agg(a.id) as ids
        from client c
        join agent a on split_part(split_part(a.name, ' ', 2), '-', 1)::bigint = c.id
        group by c.id
    ) a on a.client_id = b.client_id
    order by b.id, s
    returning id, name, agent_id
),
made as (
    insert into series (asset_id, unit_type_id)
    select m.id, b.unit_type_id
    from metered m
    join bucket b on b.id = m.name::bigint
    returning id, asset_id
),
reported as (
    insert into series_agent (series_id, agent_id, from_slot, to_slot)
    select s.id, m.agent_id, %(from_slot)s, %(to_slot)s
    from made s
    join metered m on m.id = s.asset_id
)
insert into binding (series_id, bucket_id, from_slot)
select s.id, m.name::bigint, 0
from made s
join metered m on m.id = s.asset_id

-- name: slots
-- Every agent measures all its series in every hour but a few, in which it is away, at other times for each.
insert into slot_60 (slot, agent_id, series, n, total, low, high, last, reported, stored_max)
select
    slot, r.agent_id, array_agg(series_id order by series_id), array_agg(60 order by series_id),
    array_agg(60 * v order by series_id), array_agg(v order by series_id), array_agg(v order by series_id),
    array_agg(v order by series_id), '{5}', now() - interval '1 hour'
from generate_series(%(from_slot)s::integer, %(to_slot)s::integer - 12, 12) as slot
cross join series_agent r
cross join lateral (select 1000000000 + (r.series_id * 7919::bigint + slot / 12 * 104729::bigint) %% 5000000000 as v) value
where (slot / 12 + r.agent_id * 37) %% 400 > 1
group by slot, r.agent_id

-- name: cells
select sum(cardinality(series))::bigint, (select count(*) from bucket) from slot_60

-- name: settle
analyze
