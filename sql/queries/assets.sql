-- Assets, as people list them and look at one.

-- name: page
-- Disregarded assets are in no list but their own, merged ones in none.
--
-- What a parameter rules out is folded away before planning, joins with it. So each order is walked by its own index, and
-- what is counted is counted without sort keys. Assets without a client come first by client.
with loose as materialized (
    select asset_id, since_slot, money
    from unbound_assets(
        case when %(unbound)s::boolean or %(sort)s::text in ('unbound_money', 'days_unbound')
             then null else '{}'::bigint[] end,
        %(slot)s::integer, %(month_slot)s::integer
    )
), valued as materialized (
    -- What has no price is ordered with what is not unbound.
    select asset_id, num
    from loose
    cross join lateral (
        select case %(sort)s when 'unbound_money' then money else (%(slot)s - since_slot)::numeric end as num
    ) as key
    where num is not null and %(sort)s in ('unbound_money', 'days_unbound')
), unowned as not materialized (
    -- Asked one by one (a limit is not made a join): they are few, or else few assets have an assignment.
    select o.asset_id
    from asset_unowned o
    where (select x.id from assignment x
           where x.asset_id = o.asset_id and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
           limit 1) is null
), matching as not materialized (
    select a.id, a.name, a.created_at
    from asset a
    where a.merged_into is null
      and case when %(disregarded)s::boolean then a.disregarded_at is not null else a.disregarded_at is null end
      and (%(search)s::text is null or a.search like lower(%(search)s))
      and (%(source_type)s::text is null
           or a.source_type_id = (select id from source_type where name = %(source_type)s))
      and (%(client_id)s::bigint is null or a.id = any (array(
           select x.asset_id from assignment x
           where x.client_id = %(client_id)s and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s)))
      and (not %(unassigned)s::boolean or a.enabled and a.id = any (array(select asset_id from unowned)))
      and (not %(unbound)s or a.id = any (array(select asset_id from loose)))
      and (not %(unacknowledged)s::boolean or a.acknowledged_at is null)
      and (not %(disabled)s::boolean or not a.enabled)
      and (%(agent)s::text is null or a.agent_id = (select id from agent where name = %(agent)s))
      and (%(label)s::jsonb is null or a.labels @> %(label)s)
      and (%(label_key)s::text is null or a.labels ? %(label_key)s)
      and (%(bucket_id)s::bigint is null or a.id = any (array(
           select s.asset_id from binding b join series s on s.id = b.series_id
           where b.bucket_id = %(bucket_id)s and b.from_slot <= %(slot)s and b.to_slot > %(slot)s)))
      and (not %(by_hand)s::boolean or a.assigned_by_hand or a.id = any (array(
           select s.asset_id from binding b join series s on s.id = b.series_id
           where b.by_hand and b.from_slot <= %(slot)s and b.to_slot > %(slot)s)))
), keyed as not materialized (
    select m.id,
           case %(sort)s::text when 'name' then lower(m.name) collate "C" else '' end as txt,
           case when %(sort)s in ('unbound_money', 'days_unbound') then -1 else 0 end::numeric as num,
           case %(sort)s
               when 'created_at' then m.created_at
               when 'last_seen' then slot_start(z.last_slot)
               else 'epoch' end as at
    from matching m
    left join asset_seen z on z.asset_id = m.id
    -- Makes an inner join of it where it is ordered by, which an index can walk.
    where (%(sort)s <> 'last_seen' or z.last_slot >= 0)
      and (%(sort)s <> 'client_name' or m.id = any (array(select asset_id from unowned)))
      and (%(sort)s not in ('unbound_money', 'days_unbound')
           or m.id not in (select asset_id from valued))
), dear as not materialized (
    select m.id, '' as txt, v.num, 'epoch'::timestamptz as at
    from valued v
    join matching m on m.id = v.asset_id
    where %(sort)s in ('unbound_money', 'days_unbound')
), owned as not materialized (
    select m.id, lower(c.name) collate "C" as txt, 0::numeric as num, 'epoch'::timestamptz as at
    from client c
    join assignment x on x.client_id = c.id and x.from_slot <= %(slot)s and x.to_slot > %(slot)s
    join matching m on m.id = x.asset_id
    where %(sort)s = 'client_name'
), page as (
    select * from (
        (select * from keyed
         where (%(after_id)s::bigint is null or (%(sort)s <> 'id' or case when %(descending)s::boolean
                then id < %(after_id)s else id > %(after_id)s end)
               -- One column of the row comparison below, for the index.
               and (%(sort)s <> 'name' or case when %(descending)s
                    then txt <= %(after_text)s::text collate "C" else txt >= %(after_text)s collate "C" end)
               and (%(sort)s not in ('created_at', 'last_seen') or case when %(descending)s
                    then at <= %(after_time)s::timestamptz else at >= %(after_time)s end)
               and case when not %(descending)s then (txt, num, at, id)
                    > (%(after_text)s, %(after_number)s::numeric, %(after_time)s, %(after_id)s)
                   else (txt, num, at, id) < (%(after_text)s, %(after_number)s, %(after_time)s, %(after_id)s) end)
         order by case when not %(descending)s then txt end, case when %(descending)s then txt end desc,
                  case when not %(descending)s then num end, case when %(descending)s then num end desc,
                  case when not %(descending)s then at end, case when %(descending)s then at end desc,
                  case when not %(descending)s then id end, case when %(descending)s then id end desc
         limit %(limit)s::integer)
        union all
        (select * from dear
         where (%(after_id)s is null or case when not %(descending)s
               then (num, id) > (%(after_number)s, %(after_id)s) else (num, id) < (%(after_number)s, %(after_id)s) end)
         order by case when not %(descending)s then num end, case when %(descending)s then num end desc,
                  case when not %(descending)s then id end, case when %(descending)s then id end desc
         limit %(limit)s)
        union all
        (select * from owned
         where (%(after_id)s is null or case when not %(descending)s
               then txt >= %(after_text)s collate "C" and (txt, id) > (%(after_text)s, %(after_id)s)
               else txt <= %(after_text)s collate "C" and (txt, id) < (%(after_text)s, %(after_id)s) end)
         order by case when not %(descending)s then txt end, case when %(descending)s then txt end desc,
                  case when not %(descending)s then id end, case when %(descending)s then id end desc
         limit %(limit)s)
    ) as part
    order by case when not %(descending)s then txt end, case when %(descending)s then txt end desc,
             case when not %(descending)s then num end, case when %(descending)s then num end desc,
             case when not %(descending)s then at end, case when %(descending)s then at end desc,
             case when not %(descending)s then id end, case when %(descending)s then id end desc
    limit %(limit)s
)
select case when %(counted)s::boolean then (select count(*) from matching) else 0 end as total,
       array(select id from page) as ids,
       array(select txt from page) as texts,
       array(select num from page) as numbers,
       array(select at from page) as times

-- name: count
-- How many assets there are that are not disregarded, not acknowledged, not assigned, or unbound.
with away as materialized (
    select id from asset where disregarded_at is not null
    union all
    select id from asset where not enabled
    union all
    select id from asset where merged_into is not null
)
select (select count(*) from asset where merged_into is null and disregarded_at is null) as assets,
       (select count(*) from asset where acknowledged_at is null and disregarded_at is null and merged_into is null)
           as unacknowledged,
       -- Asked one by one (a limit is not made a join): they are few, or else few assets have an assignment.
       (select count(*) from (
            select o.asset_id
            from asset_unowned o
            where (select x.id from assignment x
                   where x.asset_id = o.asset_id and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
                   limit 1) is null
            except select id from away
        ) as unowned) as unassigned,
       -- As unbound_assets says (0022). Whose it is has to be known only of what may have ended before that client's
       -- finalised time did.
       (select count(*) from (
            select k.asset_id
            from unbound_asset k
            cross join (
                select greatest(max(finalised_slot), %(month_slot)s::integer)::bigint as slot from client
            ) as latest
            where k.to_last > (latest.slot + k.width - 1) / k.width
               or k.to_last > (coalesce((
                   select c.finalised_slot
                   from assignment x
                   join client c on c.id = x.client_id
                   where x.asset_id = k.asset_id and x.from_slot <= %(slot)s and x.to_slot > %(slot)s
                   limit 1), %(month_slot)s)::bigint + k.width - 1) / k.width
            except select id from away
        ) as loose) as unbound

-- name: rows
select a.id, t.name as source_type, a.external_id, a.name, a.description, a.address, a.labels,
       case when t.scope = 'agent' then 'agent:' || g.name else a.scope end as scope,
       c.id as client_id, c.name as client_name,
       a.acknowledged_at is not null as acknowledged, a.enabled, a.disregarded_at is not null as disregarded,
       a.created_at,
       (select count(*) from series s where s.asset_id = a.id) as series,
       nullif(z.last_slot, 0) as last_slot, g.name as agent, a.assigned_by_hand, a.merged_into
from asset a
join source_type t on t.id = a.source_type_id
join agent g on g.id = a.agent_id
left join asset_seen z on z.asset_id = a.id
left join assignment x on x.asset_id = a.id and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
left join client c on c.id = x.client_id
where a.id = any (%(ids)s::bigint[])

-- name: unbound
-- Those of these assets (null: of all) that are unbound, as columns side by side.
with found as materialized (
    select * from unbound_assets(%(ids)s::bigint[], %(slot)s::integer, %(month_slot)s::integer)
)
select array(select asset_id from found order by asset_id) as asset_ids,
       array(select series from found order by asset_id) as series,
       array(select since_slot from found order by asset_id) as since_slots,
       array(select money from found order by asset_id) as money,
       array(select currency from found order by asset_id) as currencies

-- name: owners
-- Where this asset is found: the one it was merged into, or itself. With `client_id` only one that was ever assigned to it.
select coalesce(a.merged_into, a.id)
from asset a
where a.id = %(id)s::bigint
  and (%(client_id)s::bigint is null or exists (
      select from assignment x where x.asset_id = coalesce(a.merged_into, a.id) and x.client_id = %(client_id)s))

-- name: merged
select array(select id from asset where merged_into = %(id)s::bigint order by id)

-- name: same_machine
-- The same machine once more: a hypervisor knows a vm by the UUID that its firmware shows to the host's own agent.
with machine as materialized (
    select a.id, t.name as source_type,
           case t.name when 'vm' then lower(coalesce(nullif(a.labels ->> 'smbios_uuid', ''), a.external_id))
               else lower(nullif(a.labels ->> 'smbios_uuid', '')) end as uuid
    from asset a
    join source_type t on t.id = a.source_type_id and t.name in ('host', 'vm')
    where a.id = %(id)s::bigint
), other as (
    select b.id
    from machine m
    join asset b on b.labels @> jsonb_build_object('smbios_uuid', m.uuid)
    join source_type t on t.id = b.source_type_id
    where t.name = case m.source_type when 'vm' then 'host' else 'vm' end and b.id <> m.id and b.merged_into is null
    union
    select b.id
    from machine m
    join asset b on b.external_id = m.uuid
    join source_type t on t.id = b.source_type_id
    where m.source_type = 'host' and t.name = 'vm' and b.merged_into is null
)
select array(select id from other order by id limit %(limit)s::integer)

-- name: overlaps
-- Series that two agents reported over the same time, between the outermost slots in which both did since `from_slot`.
with met as (
    select u.name as unit_type, one.series_id, u.slot_minutes, one.agent_id, other.agent_id as other_id,
           greatest(one.from_slot, other.from_slot, %(from_slot)s::integer) as from_slot,
           least(one.to_slot, other.to_slot) as to_slot
    from series s
    join unit_type u on u.id = s.unit_type_id
    join series_agent one on one.series_id = s.id
    join series_agent other on other.series_id = s.id and other.agent_id > one.agent_id
    where s.asset_id = %(id)s::bigint
), doubled as (
    select met.*, span.low, span.high
    from met
    cross join lateral (
        select min(p.slot) as low, max(p.slot) as high
        from slot_60 p
        join slot_60 q on q.agent_id = met.other_id and q.slot = p.slot
        where met.slot_minutes = 60 and p.agent_id = met.agent_id and p.slot >= met.from_slot and p.slot < met.to_slot
          and array_position(p.series, met.series_id) is not null and array_position(q.series, met.series_id) is not null
        union all
        select min(p.slot), max(p.slot)
        from slot_5 p
        join slot_5 q on q.agent_id = met.other_id and q.slot = p.slot
        where met.slot_minutes = 5 and p.agent_id = met.agent_id and p.slot >= met.from_slot and p.slot < met.to_slot
          and array_position(p.series, met.series_id) is not null and array_position(q.series, met.series_id) is not null
    ) as span
    where met.from_slot < met.to_slot and span.low is not null
)
select doubled.unit_type, g.name as agent, h.name as other_agent, doubled.low as from_slot,
       doubled.high + doubled.slot_minutes / 5 as to_slot
from doubled
join agent g on g.id = doubled.agent_id
join agent h on h.id = doubled.other_id
order by doubled.unit_type, g.name, h.name

-- name: series
select s.id, u.name as unit_type, u.symbol, u.kind, u.divisor, u.per, u.precision, u.slot_minutes
from series s join unit_type u on u.id = s.unit_type_id
where s.asset_id = %(id)s::bigint
order by u.name

-- name: bindings
-- With `client_id` those to its buckets alone.
select s.id as series_id, k.id as bucket_id, k.name as bucket_name, k.client_id, b.from_slot, b.to_slot, b.by_hand
from series s join binding b on b.series_id = s.id join bucket k on k.id = b.bucket_id
where s.asset_id = %(id)s::bigint and (%(client_id)s::bigint is null or k.client_id = %(client_id)s)
order by s.id, b.from_slot

-- name: assignments
select c.id as client_id, c.name as client_name, x.from_slot, x.to_slot, x.rule_id is null as by_hand
from assignment x join client c on c.id = x.client_id
where x.asset_id = %(id)s::bigint and (%(client_id)s::bigint is null or x.client_id = %(client_id)s)
order by x.from_slot

-- name: agents
-- Who reported it, now or ever.
select g.name
from agent g
where g.id in (
    select a.agent_id from asset a where a.id = %(id)s::bigint
    union
    select m.agent_id from series s join series_agent m on m.series_id = s.id where s.asset_id = %(id)s)
order by g.name
