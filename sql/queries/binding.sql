-- name: share_rules
-- Held by whoever applies rules and filters: one that is being created waits, so that no asset misses it.
select pg_advisory_xact_lock_shared(hashtextextended('ullage.rules', 0))

-- name: hold_rules
-- Held by whoever creates a rule, a filter or a bucket, before flagging the assets it concerns.
select pg_advisory_xact_lock(hashtextextended('ullage.rules', 0))

-- name: take_flagged
-- Assets to be worked out again that nobody else is at work on.
select id from asset where rebind order by id limit %(assets_max)s for update skip locked

-- name: count_flagged
select count(*) from asset where rebind

-- name: next_unflagged
select id from asset where id > %(after)s and not rebind order by id limit %(assets_max)s

-- name: take_assets
-- The same by id, waiting for whoever is at work on them; in order, so that two do not wait for one another.
select id from asset where id = any(%(assets)s::bigint[]) order by id for update

-- name: left_alone
select id
from asset
where id = any(%(assets)s::bigint[]) and (not enabled or disregarded_at is not null or merged_into is not null)
order by id

-- name: assets
-- `left_alone`: disabled, disregarded or merged; what it is bound to was settled when that was done.
select
    a.id, a.source_type_id, t.name as source_type, a.external_id, a.name, a.address, a.labels,
    g.name as agent, g.site, a.assigned_by_hand,
    not a.enabled or a.disregarded_at is not null or a.merged_into is not null as left_alone
from asset as a
join source_type as t on t.id = a.source_type_id
join agent as g on g.id = a.agent_id
where a.id = any(%(assets)s::bigint[])
order by a.id

-- name: series
-- With their bindings, side by side; looked up one by one, which also serves while there are many more than were counted.
select s.id, s.asset_id, s.unit_type_id, b.id, b.bucket_id, b.from_slot, b.to_slot, b.by_hand
from series as s
left join lateral (select * from binding where binding.series_id = s.id offset 0) as b on true
where s.asset_id = any(%(assets)s::bigint[])
order by s.id, b.from_slot

-- name: pauses
-- When filters bind nothing of them.
select asset_id, from_slot, to_slot from asset_pause where asset_id = any(%(assets)s::bigint[])

-- name: assignments
select id, asset_id, client_id, from_slot, to_slot, rule_id
from assignment
where asset_id = any(%(assets)s::bigint[])
order by asset_id, from_slot

-- name: owners
select id, client_id from bucket where id = any(%(buckets)s::bigint[])

-- name: clients
-- Shared: nobody finalises their time while bindings in it are being changed.
select id, finalised_slot from client where id = any(%(clients)s::bigint[]) order by id for share

-- name: unbound_later
-- What may be unbound is worked out once, when all is changed.
select set_config('ullage.unbound_later', 'on', true)

-- name: unbound_now
select
    set_config('ullage.unbound_later', '', true),
    refresh_unbound(array(
        select id from series where asset_id = any(%(assets)s::bigint[])
        union
        select unnest(%(series)s::integer[])
    ))

-- name: remove_assignments
delete from assignment where id = any(%(ids)s::bigint[])

-- name: resize_assignments
update assignment set to_slot = wanted.to_slot, rule_id = wanted.rule_id
from unnest(%(ids)s::bigint[], %(to_slots)s::integer[], %(rules)s::bigint[]) as wanted (id, to_slot, rule_id)
where assignment.id = wanted.id

-- name: add_assignments
insert into assignment (asset_id, client_id, from_slot, to_slot, rule_id)
select *
from unnest(
    %(of_ids)s::bigint[], %(owners)s::bigint[], %(from_slots)s::integer[], %(to_slots)s::integer[], %(rules)s::bigint[]
)

-- name: remove_bindings
delete from binding where id = any(%(ids)s::bigint[])

-- name: resize_bindings
update binding set to_slot = wanted.to_slot
from unnest(%(ids)s::bigint[], %(to_slots)s::integer[]) as wanted (id, to_slot)
where binding.id = wanted.id

-- name: add_bindings
insert into binding (series_id, bucket_id, from_slot, to_slot, by_hand)
select *
from unnest(
    %(of_ids)s::integer[], %(owners)s::bigint[], %(from_slots)s::integer[], %(to_slots)s::integer[],
    %(by_hand)s::boolean[]
)

-- name: hold_bound
-- The roll-up holds it shared: of slots and bindings that are saved at the same time, one sees the other.
select pg_advisory_xact_lock(hashtextextended('ullage.bound', 0))

-- name: mark_dirty
-- The days in which the changed spans have usage. The update on conflict is a lock, see the roll-up's.
insert into dirty as known (bucket_id, day_slot)
select distinct span.bucket_id, day.number * 288
from (
    select distinct
        changed.bucket_id,
        greatest(changed.from_slot, measured.from_slot) / 288 as from_day,
        (least(changed.to_slot, measured.to_slot) - 1) / 288 as to_day
    from unnest(%(buckets)s::bigint[], %(series)s::integer[], %(from_slots)s::integer[], %(to_slots)s::integer[])
        as changed (bucket_id, series_id, from_slot, to_slot)
    join series_agent as measured on measured.series_id = changed.series_id
        and measured.from_slot < changed.to_slot and measured.to_slot > changed.from_slot
) as span
cross join lateral generate_series(span.from_day, span.to_day) as day (number)
order by 1, 2
on conflict (bucket_id, day_slot) do update set day_slot = known.day_slot

-- name: clear_flags
update asset set rebind = false where id = any(%(assets)s::bigint[])

-- name: decide_by_hand
update asset
set assigned_by_hand = true, acknowledged_at = coalesce(acknowledged_at, clock_timestamp())
where id = any(%(assets)s::bigint[])

-- name: flag
-- In order, so that two do not wait for one another.
with concerned as (
    select id from asset where id = any(%(assets)s::bigint[]) order by id for no key update
)
update asset set rebind = true from concerned where asset.id = concerned.id

-- name: flag_assets_of_client
with concerned as (
    select id
    from asset
    where id in (select asset_id from assignment where client_id = %(client_id)s)
    order by id
    for no key update
)
update asset set rebind = true from concerned where asset.id = concerned.id

-- name: flag_assets_of_rules
with concerned as (
    select id from asset where not assigned_by_hand order by id for no key update
)
update asset set rebind = true from concerned where asset.id = concerned.id
