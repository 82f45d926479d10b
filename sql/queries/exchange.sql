-- Files in and out: what names in them mean, what is written, and what contracts count against what is metered.

-- name: hold_imports
select pg_advisory_xact_lock(hashtextextended('ullage.import', 0))

-- name: clients_by_name
select id, name from client where name = any(%(names)s::text[])

-- name: assets_by_key
-- Which asset each line means: by id, or by source type and external id, told apart by agent or site where several have them.
-- One row for each asset that fits.
select asked.place::integer as place, a.id
from unnest(
    %(ids)s::bigint[], %(source_types)s::text[], %(external_ids)s::text[], %(agents)s::text[], %(sites)s::text[]
) with ordinality as asked (id, source_type, external_id, agent, site, place)
join source_type t on t.name = asked.source_type or asked.id is not null
join asset a on a.source_type_id = t.id
    and (asked.id is not null and a.id = asked.id
         or asked.id is null and a.external_id = asked.external_id)
join agent g on g.id = a.agent_id
where a.merged_into is null
  and (asked.id is not null
       or (asked.agent = '' or g.name = asked.agent) and (asked.site = '' or g.site = asked.site))
order by asked.place, a.id

-- name: assigned_so
-- Of these assets those that are this client's now and for ever, from that slot on (null: from whenever); with `by_hand`
-- those alone that somebody decided.
select x.asset_id
from assignment x
join asset a on a.id = x.asset_id
where x.asset_id = any(%(assets)s::bigint[]) and x.client_id = %(client_id)s and x.to_slot = 2147483647
  and (%(from_slot)s::integer is null or x.from_slot = %(from_slot)s)
  and (not %(by_hand)s::boolean or a.assigned_by_hand)

-- name: remove_counts
delete from contract_count
where client_id = any(%(clients)s::bigint[])
  and (client_id, source_type_id, coalesce(unit_type_id, 0)) not in (
      select * from unnest(%(kept_clients)s::bigint[], %(source_types)s::smallint[], %(unit_types)s::smallint[]))

-- name: save_count
-- 'created', 'changed' or 'unchanged'.
with before as (
    select quantity, as_of
    from contract_count
    where client_id = %(client_id)s and source_type_id = %(source_type_id)s
      and unit_type_id is not distinct from %(unit_type_id)s
),
saved as (
    insert into contract_count as c (client_id, source_type_id, unit_type_id, quantity, as_of)
    values (%(client_id)s, %(source_type_id)s, %(unit_type_id)s, %(quantity)s, %(as_of)s)
    on conflict (client_id, source_type_id, unit_type_id) do update
    set quantity = excluded.quantity, as_of = excluded.as_of, imported_at = clock_timestamp()
    where (c.quantity, c.as_of) <> (excluded.quantity, excluded.as_of)
    returning c.id
)
select case
    when not exists (select from before) then 'created'
    when exists (select from saved) then 'changed'
    else 'unchanged'
end

-- name: export_clients
select id, name, currency, time_zone, cycle_unit, cycle_count, cycle_anchor, close_after_days, contact, enabled
from client
where id > %(after)s and erased_at is null and (%(client_id)s::bigint is null or id = %(client_id)s)
order by id
limit %(limit)s

-- name: export_buckets
-- With the terms in force, or else those that start next.
select b.id, c.name as client, b.name, s.name as source_type, u.name as unit_type, b.priority, b.enabled, b.reviewed,
       coalesce((select jsonb_agg(f.conditions order by f.id) from bucket_filter f where f.bucket_id = b.id), '[]') as filters,
       t.starts_on, t.commit, t.base_price, t.overage_price, t.aggregation, t.percentile, t.package, t.minimum, t.maximum,
       t.tiers, t.gap_hold, t.prorate
from bucket b
join client c on c.id = b.client_id
join source_type s on s.id = b.source_type_id
join unit_type u on u.id = b.unit_type_id
left join lateral (
    select * from bucket_terms t
    where t.bucket_id = b.id
    order by t.starts_on <= (%(now)s::timestamptz at time zone c.time_zone)::date desc,
             abs(t.starts_on - (%(now)s at time zone c.time_zone)::date)
    limit 1
) t on true
where b.id > %(after)s and (%(client_id)s::bigint is null or b.client_id = %(client_id)s)
order by b.id
limit %(limit)s

-- name: bucket_by_name
select b.id, '' as client, b.name, s.name as source_type, u.name as unit_type, b.priority, b.enabled, b.reviewed,
       coalesce((select jsonb_agg(f.conditions order by f.id) from bucket_filter f where f.bucket_id = b.id), '[]') as filters,
       null::date as starts_on, null::numeric as commit, null::numeric as base_price, null::numeric as overage_price,
       null::text as aggregation, null::numeric as percentile, null::numeric as package, null::numeric as minimum,
       null::numeric as maximum, null::jsonb as tiers, null::smallint as gap_hold, null::boolean as prorate
from bucket b
join source_type s on s.id = b.source_type_id
join unit_type u on u.id = b.unit_type_id
where b.client_id = %(client_id)s and b.name = %(name)s

-- name: export_assignments
select a.id, s.name as source_type, a.external_id, a.name, g.name as agent, g.site, c.name as client,
       x.from_slot, x.rule_id is null as by_hand
from asset a
join source_type s on s.id = a.source_type_id
join agent g on g.id = a.agent_id
join assignment x on x.asset_id = a.id and x.from_slot <= %(slot)s and x.to_slot > %(slot)s
join client c on c.id = x.client_id
where a.id > %(after)s and a.merged_into is null and (%(client_id)s::bigint is null or x.client_id = %(client_id)s)
order by a.id
limit %(limit)s

-- name: export_contracts
select k.id, c.name as client, s.name as source_type, coalesce(u.name, '') as unit_type, k.quantity, k.as_of
from contract_count k
join client c on c.id = k.client_id
join source_type s on s.id = k.source_type_id
left join unit_type u on u.id = k.unit_type_id
where k.id > %(after)s and (%(client_id)s::bigint is null or k.client_id = %(client_id)s)
order by k.id
limit %(limit)s

-- name: reconciliation
-- By client, source type and unit type (null: assets): what contracts count and what is metered of assets that are the
-- client's now and were seen since `seen_slot`. A level is as of its last slot, an amount that of this month (UTC); in
-- steps. `unbound`: the part that no bucket bills now. What a contract does not count is no difference to it.
with owned as materialized (
    select x.client_id, a.id as asset_id, a.source_type_id
    from assignment x
    join asset a on a.id = x.asset_id
    where x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
      and x.client_id in (
          select client_id from contract_count where %(client_id)s::bigint is null or client_id = %(client_id)s)
      and a.enabled and a.disregarded_at is null and a.merged_into is null
),
measured as materialized (
    select o.client_id, o.source_type_id, s.unit_type_id, o.asset_id,
           case
               when u.kind = 'level' then usage.last::numeric
               -- A rate is the mean over the slots that were measured.
               when u.per = 'second' then usage.total / nullif(usage.slots * u.slot_minutes * 60, 0)
               else usage.total
           end as steps,
           exists (
               select from binding b
               where b.series_id = s.id and b.from_slot <= %(slot)s and b.to_slot > %(slot)s) as bound
    from owned o
    join series s on s.asset_id = o.asset_id
    join unit_type u on u.id = s.unit_type_id
    join series_usage usage on usage.series_id = s.id and usage.month = %(month)s::date
    where exists (select from series_agent m where m.series_id = s.id and m.to_slot > %(seen_slot)s::integer)
),
metered as (
    select client_id, source_type_id, unit_type_id, sum(steps) as steps,
           coalesce(sum(steps) filter (where not bound), 0) as unbound
    from measured
    group by client_id, source_type_id, unit_type_id
    union all
    select client_id, source_type_id, null, count(distinct asset_id),
           count(distinct asset_id) - count(distinct asset_id) filter (where bound)
    from measured
    group by client_id, source_type_id
)
select c.id as client_id, c.name as client_name, s.name as source_type, u.name as unit_type, u.symbol, u.divisor, u.precision,
       k.quantity as contracted, k.as_of, m.steps, coalesce(m.unbound, 0) as unbound
from contract_count k
left join metered m on m.client_id = k.client_id and m.source_type_id = k.source_type_id
    and coalesce(m.unit_type_id, 0) = coalesce(k.unit_type_id, 0)
join client c on c.id = k.client_id
join source_type s on s.id = k.source_type_id
left join unit_type u on u.id = k.unit_type_id
where %(client_id)s is null or c.id = %(client_id)s
order by c.name, s.name, u.name nulls first
