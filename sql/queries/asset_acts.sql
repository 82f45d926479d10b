-- What people do with assets. Assets are held in order of their ids, so that two people do not wait for one another.

-- name: clock
select clock_timestamp()

-- name: hold
select id, name, source_type_id, enabled, disregarded_at is not null as disregarded, merged_into
from asset
where id = any(%(assets)s::bigint[])
order by id
for update

-- name: acknowledge
update asset set acknowledged_at = clock_timestamp()
where id = any(%(assets)s::bigint[]) and acknowledged_at is null

-- name: make_new
update asset set acknowledged_at = null
where id = any(%(assets)s::bigint[]) and acknowledged_at is not null

-- name: describe
update asset set description = %(description)s
where id = any(%(assets)s::bigint[]) and description <> %(description)s

-- name: enable
update asset set enabled = %(enabled)s
where id = any(%(assets)s::bigint[])

-- name: disregard
update asset set disregarded_at = clock_timestamp(), acknowledged_at = coalesce(acknowledged_at, clock_timestamp())
where id = any(%(assets)s::bigint[])

-- name: restore
update asset set disregarded_at = null where id = any(%(assets)s::bigint[])

-- name: give_back
-- To the rules.
update asset set assigned_by_hand = false where id = any(%(assets)s::bigint[])

-- name: given_by_hand
select id from asset where id = any(%(assets)s::bigint[]) and assigned_by_hand order by id

-- name: pause
insert into asset_pause (asset_id, from_slot, cause, suppression_id)
select asset_id, %(from_slot)s, %(cause)s, %(suppression_id)s
from unnest(%(assets)s::bigint[]) as paused (asset_id)
order by asset_id

-- name: carry_pause
insert into asset_pause (asset_id, from_slot, to_slot, cause, suppression_id)
select distinct %(into_id)s::bigint, greatest(from_slot, %(from_slot)s::integer), to_slot, cause, suppression_id
from asset_pause
where asset_id = %(asset_id)s and to_slot = %(to_slot)s and greatest(from_slot, %(from_slot)s) = %(from_slot)s

-- name: forget_pauses
-- Those that would not last: begun at or after the slot.
delete from asset_pause
where asset_id = any(%(assets)s::bigint[]) and cause = %(cause)s
    and suppression_id is not distinct from %(suppression_id)s and to_slot = 2147483647 and from_slot >= %(slot)s

-- name: end_pauses
update asset_pause set to_slot = %(slot)s
where asset_id = any(%(assets)s::bigint[]) and cause = %(cause)s
    and suppression_id is not distinct from %(suppression_id)s and to_slot = 2147483647

-- name: paused_by_suppression
select a.id
from asset_pause as p
join asset as a on a.id = p.asset_id
where p.suppression_id = %(suppression_id)s and p.to_slot = 2147483647
order by a.id

-- name: backdate
-- Lets this transaction bind in finalised time where nothing was bound, see the trigger of `binding`.
select set_config('ullage.backdating', 'on', true)

-- name: finalised_slot
-- Held, so that no period is finalised meanwhile.
select finalised_slot from client where id = %(client_id)s for share

-- name: clients
select id, name from client where id = any(%(ids)s::bigint[])

-- name: clients_of
select distinct client_id as id from assignment where asset_id = any(%(assets)s::bigint[]) and to_slot = 2147483647

-- name: buckets
-- Each with what it counts, and whose it is.
select
    b.id, b.name, b.client_id, c.name as client_name, b.source_type_id, b.unit_type_id
from bucket as b
join client as c on c.id = b.client_id
where b.id = any(%(ids)s::bigint[])
order by b.id

-- name: merged_ids
-- Assets that were merged into this one.
select id from asset where merged_into = %(asset_id)s order by id

-- name: overlaps
-- Slots in which both assets measured one unit type: per unit type how many, and the outermost.
with pair as (
    select mine.id as mine_id, theirs.id as theirs_id, mine.unit_type_id, u.slot_minutes
    from series as mine
    join series as theirs on theirs.unit_type_id = mine.unit_type_id and theirs.asset_id = %(into_id)s
    join unit_type as u on u.id = mine.unit_type_id
    where mine.asset_id = %(asset_id)s
), reach as (
    select
        p.unit_type_id, p.slot_minutes, p.mine_id, p.theirs_id, m.agent_id as my_agent, t.agent_id as their_agent,
        greatest(m.from_slot, t.from_slot) as from_slot, least(m.to_slot, t.to_slot) as to_slot
    from pair as p
    join series_agent as m on m.series_id = p.mine_id
    join series_agent as t on t.series_id = p.theirs_id and t.from_slot < m.to_slot and t.to_slot > m.from_slot
), both_measured as (
    select r.unit_type_id, mine.slot
    from reach as r
    join slot_60 as mine on mine.agent_id = r.my_agent and mine.slot >= r.from_slot and mine.slot < r.to_slot
        and array_position(mine.series, r.mine_id) is not null
    join slot_60 as theirs on theirs.agent_id = r.their_agent and theirs.slot = mine.slot
        and array_position(theirs.series, r.theirs_id) is not null
    where r.slot_minutes = 60
    union
    select r.unit_type_id, mine.slot
    from reach as r
    join slot_5 as mine on mine.agent_id = r.my_agent and mine.slot >= r.from_slot and mine.slot < r.to_slot
        and array_position(mine.series, r.mine_id) is not null
    join slot_5 as theirs on theirs.agent_id = r.their_agent and theirs.slot = mine.slot
        and array_position(theirs.series, r.theirs_id) is not null
    where r.slot_minutes = 5
)
select u.name as unit_type, u.kind, count(*) as slots, min(b.slot) as first_slot, max(b.slot) as last_slot
from both_measured as b
join unit_type as u on u.id = b.unit_type_id
group by u.id
order by u.name

-- name: merge
update asset set merged_into = %(into_id)s, merged_at = clock_timestamp(), rebind = false where id = %(asset_id)s

-- name: follow
-- Its series become the other's; by what they were reported of stays known.
update series set merged_from = %(asset_id)s, asset_id = %(into_id)s where asset_id = %(asset_id)s
