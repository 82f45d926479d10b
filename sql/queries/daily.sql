-- What buckets used day by day: written by billing, read by projections.

-- name: forget
-- Days of a period that are told anew, or of which nothing is billed any more.
delete from bucket_day
where bucket_id = any(%(bucket_ids)s::bigint[]) and from_slot >= %(from_slot)s and from_slot < %(to_slot)s

-- name: save
insert into bucket_day as d (bucket_id, from_slot, to_slot, filled, total, high, low, last, slot_values)
select bucket_id, from_slot, to_slot, filled, total, high, low, last, slot_values
from jsonb_to_recordset(%(days)s) as g (
    bucket_id bigint, from_slot integer, to_slot integer, filled integer, total numeric, high numeric, low numeric,
    last numeric, slot_values numeric[]
)
order by bucket_id, from_slot
on conflict (bucket_id, from_slot) do update set
    to_slot = excluded.to_slot, filled = excluded.filled, total = excluded.total, high = excluded.high, low = excluded.low,
    last = excluded.last, slot_values = excluded.slot_values

-- name: parts
-- Of these buckets from a slot on, in order of time.
select bucket_id, from_slot, to_slot, filled, total, high, low, last, slot_values
from bucket_day
where bucket_id = any(%(bucket_ids)s::bigint[]) and from_slot >= %(since)s
order by bucket_id, from_slot

-- name: prune
-- Days before those that an open period or its history may be asked for.
delete from bucket_day
where bucket_id = any(%(bucket_ids)s::bigint[]) and from_slot < %(since)s
