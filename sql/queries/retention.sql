-- What is kept no longer: raw readings and batches at their age, slots after seven years.

-- name: clients
-- What decides about each client with buckets: the first slot with bound usage, and the local day on which all its terms
-- have ended, null while some have no end.
select c.id, c.finalised_slot, used.first_slot, agreed.ends_on
from client c
cross join lateral (
    select min(greatest(b.from_slot, a.from_slot)) as first_slot
    from bucket k
    join binding b on b.bucket_id = k.id
    join series_agent a on a.series_id = b.series_id and a.from_slot < b.to_slot and a.to_slot > b.from_slot
    where k.client_id = c.id
) used
cross join lateral (
    select case when bool_and(t.ends_on is not null) then max(t.ends_on) end as ends_on
    from bucket k
    join bucket_terms t on t.bucket_id = k.id
    where k.client_id = c.id
) agreed
where exists (select from bucket b where b.client_id = c.id)
order by c.id

-- name: floor
select greatest(floor, timestamptz '0001-01-01 00:00:00+00') from raw_floor

-- name: border
select raw_border(%(before)s)

-- name: lock_ingest
-- Alone: no group is under way, and none begins before the transaction ends.
select pg_advisory_xact_lock(hashtextextended('ullage.ingest', 0))

-- name: wait_briefly
-- Who reads the chunk that is to go holds it; all ingest waits behind us meanwhile.
set local lock_timeout = '5s'

-- name: touched_before
select exists (select from touched where slot < slot_of(%(border)s))

-- name: drop_raw
select drop_raw(%(border)s)

-- name: move_floor
update raw_floor set floor = %(border)s

-- name: remove_batches
-- All of whose readings were of time before the floor; what says that something was lost stays.
delete from batch
where (agent_id, epoch, seq) in (
    select agent_id, epoch, seq from batch
    where stored_at < %(before)s and lost_reason is null
    order by stored_at
    limit %(batches_max)s
)

-- name: drop_slots
select drop_slots(%(first_slot)s)
