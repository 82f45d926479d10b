-- Unit types: what quantities count.

-- name: all
-- By name. `in_use`: a series of it was reported, so what its steps mean is fixed.
select id, name, symbol, description, kind, divisor, per, precision, slot_minutes, level_value, gap_hold,
       exists (select from series as s where s.unit_type_id = u.id) as in_use
from unit_type as u
order by name

-- name: hold
-- Changed by one at a time, and series of it are not created meanwhile.
select id, name, symbol, description, kind, divisor, per, precision, slot_minutes, level_value, gap_hold
from unit_type
where name = %(name)s
for update

-- name: in_use
-- A statement of its own after `hold`: it sees the series that were being created.
select exists (select from series where unit_type_id = %(unit_type_id)s)

-- name: finalised
-- Whether a billing reading that never changes counts it.
select exists (
    select
    from bucket as b
    join billing_reading as r on r.bucket_id = b.id
    where b.unit_type_id = %(unit_type_id)s and r.finalised_at is not null
)

-- name: rated
-- Figures that are not finalised and count it.
select count(*)
from bucket as b
join billing_reading as r on r.bucket_id = b.id
where b.unit_type_id = %(unit_type_id)s and r.finalised_at is null

-- name: mark_dirty
-- All figures that count it and are not finalised are rated again: a day of each period stands for it. The update on
-- conflict is a lock, see the roll-up's.
insert into dirty as known (bucket_id, day_slot)
select distinct b.id, r.from_slot / 288 * 288
from bucket as b
join billing_reading as r on r.bucket_id = b.id
where b.unit_type_id = %(unit_type_id)s and r.finalised_at is null
order by 1, 2
on conflict (bucket_id, day_slot) do update set day_slot = known.day_slot

-- name: total
select count(*) from unit_type

-- name: insert
-- No row when the name is taken.
insert into unit_type (
    name, symbol, description, kind, divisor, per, precision, slot_minutes, level_value, gap_hold
)
values (
    %(name)s, %(symbol)s, %(description)s, %(kind)s, %(divisor)s, %(per)s, %(precision)s, %(slot_minutes)s,
    %(level_value)s, %(gap_hold)s
)
on conflict (name) do nothing
returning id

-- name: update
update unit_type
set symbol = %(symbol)s, description = %(description)s, divisor = %(divisor)s, precision = %(precision)s,
    slot_minutes = %(slot_minutes)s, level_value = %(level_value)s, gap_hold = %(gap_hold)s
where name = %(name)s

-- name: waiting
-- The next quarantined readings of a unit that was not known.
select id
from quarantine
where settled_at is null and reason = %(reason)s and unit_type = %(unit_type)s and id > %(after)s
order by id
limit %(ids_max)s
