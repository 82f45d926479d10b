-- Assets, as people list them and look at one.

-- name: page
-- Disregarded assets are in no default view. `only` restricts the list to these ids unless it is null.
with owner as not materialized (
    -- Grouped, so that the planner knows it has one row for an asset and leaves it out where nothing is taken from it.
    select x.asset_id, min(x.client_id) as client_id
    from assignment x
    where x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
    group by x.asset_id
), unassigned as materialized (
    select array(
        select a.id from asset a
        where a.enabled and a.disregarded_at is null and not exists (
            select from assignment x
            where x.asset_id = a.id and x.from_slot <= %(slot)s and x.to_slot > %(slot)s)) as ids
), matching as not materialized (
    select a.id,
           case %(sort)s::text
               when 'name' then lower(a.name) collate "C"
               when 'client_name' then coalesce(lower(c.name), '') collate "C"
               else '' end as txt,
           0::numeric as num,
           case %(sort)s when 'created_at' then a.created_at else 'epoch' end as at
    from asset a
    left join owner o on o.asset_id = a.id
    left join client c on c.id = o.client_id
    where a.disregarded_at is null
      and (%(search)s::text is null or a.search like lower(%(search)s))
      and (%(source_type)s::text is null
           or a.source_type_id = (select id from source_type where name = %(source_type)s))
      and (%(client_id)s::bigint is null or a.id = any (array(
           select x.asset_id from assignment x
           where x.client_id = %(client_id)s and x.from_slot <= %(slot)s and x.to_slot > %(slot)s)))
      and (not %(unassigned)s::boolean or a.id = any ((select ids from unassigned)::bigint[]))
      and (not %(unacknowledged)s::boolean or a.acknowledged_at is null)
      and (%(only)s::bigint[] is null or a.id = any (%(only)s))
), page as (
    select * from matching
    -- The default order walks the primary key from here.
    where (%(sort)s <> 'id' or %(after_id)s::bigint is null
           or case when %(descending)s::boolean then id < %(after_id)s else id > %(after_id)s end)
      and (%(after_id)s is null
           or (not %(descending)s and (txt, num, at, id)
               > (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s))
           or (%(descending)s and (txt, num, at, id)
               < (%(after_text)s::text, %(after_number)s::numeric, %(after_time)s::timestamptz, %(after_id)s)))
    order by case when not %(descending)s then txt end, case when %(descending)s then txt end desc,
             case when not %(descending)s then num end, case when %(descending)s then num end desc,
             case when not %(descending)s then at end, case when %(descending)s then at end desc,
             case when not %(descending)s then id end, case when %(descending)s then id end desc
    limit %(limit)s::integer
)
select (select count(*) from matching) as total,
       array(select id from page) as ids,
       array(select txt from page) as texts,
       array(select num from page) as numbers,
       array(select at from page) as times

-- name: rows
select a.id, t.name as source_type, a.external_id, a.name, a.description, a.address, a.labels,
       case when t.scope = 'agent' then 'agent:' || g.name else a.scope end as scope,
       c.id as client_id, c.name as client_name,
       a.acknowledged_at is not null as acknowledged, a.enabled, a.disregarded_at is not null as disregarded,
       a.created_at,
       (select count(*) from series s where s.asset_id = a.id) as series,
       (select max(m.to_slot) from series s join series_agent m on m.series_id = s.id
        where s.asset_id = a.id) as last_slot
from asset a
join source_type t on t.id = a.source_type_id
join agent g on g.id = a.agent_id
left join assignment x on x.asset_id = a.id and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
left join client c on c.id = x.client_id
where a.id = any (%(ids)s::bigint[])

-- name: unbound
-- Of these assets (null: of all) those that are unbound, as three columns side by side: how many of their series have a
-- measured slot bound to no enabled bucket, and where the oldest such slot starts. Looked at is the client's unfinalised
-- time, for an unassigned asset the time from `month_slot` on. Measured is what lies between the outermost measured slots.
with windowed as (
    select a.id as asset_id, s.id as series_id, u.slot_minutes / 5 as width,
           greatest(m.from_slot, coalesce(c.finalised_slot, %(month_slot)s::integer)) as from_slot, m.to_slot
    from asset a
    join series s on s.asset_id = a.id
    join unit_type u on u.id = s.unit_type_id
    join series_agent m on m.series_id = s.id
    left join assignment x on x.asset_id = a.id and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
    left join client c on c.id = x.client_id
    where a.enabled and a.disregarded_at is null
      and m.to_slot > coalesce(c.finalised_slot, %(month_slot)s)
      and (%(ids)s::bigint[] is null or a.id = any (%(ids)s))
), candidate as (
    -- Nearly every series has one binding that covers all of it; only the others are worked out slot by slot.
    select w.* from windowed w
    where not exists (
        select from binding b join bucket k on k.id = b.bucket_id
        where k.enabled and b.series_id = w.series_id and b.from_slot <= w.from_slot and b.to_slot >= w.to_slot)
), uncovered as materialized (
    -- Counted in whole slots of the unit type's width: a slot belongs to what holds at its start.
    select d.asset_id, d.width,
           range_agg(int8range((d.from_slot + d.width - 1) / d.width, (d.to_slot + d.width - 1) / d.width))
           - coalesce((
               select range_agg(int8range((b.from_slot::bigint + d.width - 1) / d.width,
                                          (b.to_slot::bigint + d.width - 1) / d.width))
               from binding b join bucket k on k.id = b.bucket_id
               where k.enabled and b.series_id = d.series_id), '{}') as slots
    from candidate d
    group by d.asset_id, d.series_id, d.width
), found as (
    select asset_id, count(*)::integer as series, min(lower(slots) * width)::integer as since_slot
    from uncovered where not isempty(slots)
    group by asset_id
)
select array(select asset_id from found order by asset_id) as asset_ids,
       array(select series from found order by asset_id) as series,
       array(select since_slot from found order by asset_id) as since_slots

-- name: series
select s.id, u.name as unit_type, u.symbol, u.kind, u.divisor, u.per, u.precision, u.slot_minutes
from series s join unit_type u on u.id = s.unit_type_id
where s.asset_id = %(id)s::bigint
order by u.name

-- name: bindings
select s.id as series_id, k.id as bucket_id, k.name as bucket_name, k.client_id, b.from_slot, b.to_slot, b.by_hand
from series s join binding b on b.series_id = s.id join bucket k on k.id = b.bucket_id
where s.asset_id = %(id)s::bigint
order by s.id, b.from_slot

-- name: assignments
select c.id as client_id, c.name as client_name, x.from_slot, x.to_slot, x.rule_id is null as by_hand
from assignment x join client c on c.id = x.client_id
where x.asset_id = %(id)s::bigint
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
