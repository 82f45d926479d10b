-- Billing: what is due, what was used, what it came to.

-- name: lock_ingest
-- Waits until every group commit that has its time is visible, and lets none take a time until this transaction ends.
select pg_advisory_xact_lock(hashtextextended('ullage.ingest', 0))

-- name: cutoff
-- A statement of its own after `lock_ingest`: the clock is read once the lock is held.
select clock_timestamp()

-- name: clients
-- All that have a bucket, enabled or not: their buckets' terms say until when they are billed.
select id, finalised_slot
from client c
where exists (select from bucket b where b.client_id = c.id)
order by id

-- name: try_client
-- One run at a time for a client, until the end of this transaction.
select pg_try_advisory_xact_lock(hashtextextended('ullage.billing.client', %(client_id)s))

-- name: overtaken
-- Whether a later run has rated something of the client already.
select exists (
    select
    from bucket b
    join billing_reading r on r.bucket_id = b.id
    where b.client_id = %(client_id)s and r.run_id > %(run_id)s
)

-- name: agreements
-- The terms of the client's buckets, each with what its bucket counts.
select b.id as bucket_id, u.kind, u.divisor, u.per, u.precision, u.slot_minutes, u.gap_hold as unit_gap_hold,
       t.id as terms_id, t.starts_on, t.ends_on, t.commit, t.base_price, t.overage_price, t.aggregation, t.percentile,
       t.package, t.minimum, t.maximum, t.tiers, t.gap_hold, t.prorate
from bucket b
join unit_type u on u.id = b.unit_type_id
join bucket_terms t on t.bucket_id = b.id
where b.client_id = %(client_id)s
order by b.id, t.starts_on

-- name: first_slot
-- The first slot in which anything was measured of a series while bound to one of the client's buckets.
select min(greatest(b.from_slot, a.from_slot))
from bucket k
join binding b on b.bucket_id = k.id
join series_agent a on a.series_id = b.series_id and a.from_slot < b.to_slot and a.to_slot > b.from_slot
where k.client_id = %(client_id)s

-- name: standings
-- Readings of the client's buckets from a period on, by what they were rated on.
select r.bucket_id, r.period_start, r.period_end, r.agreed, r.as_of_slot,
       r.finalised_at is not null as finalised
from bucket b
join billing_reading r on r.bucket_id = b.id
where b.client_id = %(client_id)s and r.to_slot > %(finalised_slot)s

-- name: dirty_days
select d.bucket_id, d.day_slot
from bucket b
join dirty d on d.bucket_id = b.id
where b.client_id = %(client_id)s

-- name: lock_dirty
-- The client's marks that have a slot in [from_slot, to_slot). In the order in which the roll-up writes them, so that
-- the two do not wait for one another; it waits for those whose cause is not committed yet.
select d.bucket_id, d.day_slot
from dirty d
where d.bucket_id in (select id from bucket where client_id = %(client_id)s)
  and d.day_slot < %(to_slot)s and d.day_slot + 288 > %(from_slot)s
order by d.bucket_id, d.day_slot
for update of d

-- name: take_dirty
-- A statement of its own after `lock_dirty`: it sees each mark as it is now.
delete from dirty d
using unnest(%(bucket_ids)s::bigint[], %(day_slots)s::integer[]) as mine (bucket_id, day_slot)
where d.bucket_id = mine.bucket_id and d.day_slot = mine.day_slot

-- name: mark_dirty
insert into dirty (bucket_id, day_slot)
select bucket_id, day_slot
from unnest(%(bucket_ids)s::bigint[], %(day_slots)s::integer[]) as mine (bucket_id, day_slot)
order by bucket_id, day_slot
on conflict (bucket_id, day_slot) do nothing

-- name: save
-- A finalised reading stays as it is. `changed` counts readings that are new or say something else than before.
with given as (
    select *
    from jsonb_to_recordset(%(readings)s) as g (
        bucket_id bigint, terms_id bigint, from_slot integer, to_slot integer, as_of_slot integer, agreed text,
        aggregation text, percentile numeric, quantity numeric, commit numeric, overage_units numeric,
        used numeric, buffer numeric, overage numeric, limit_amount numeric, cost numeric,
        measured bigint, absent bigint, gap bigint, spread bigint, segments jsonb
    )
),
before as (
    select r.*
    from given g
    join billing_reading r on r.bucket_id = g.bucket_id and r.period_start = %(period_start)s
),
saved as (
    insert into billing_reading as r (
        bucket_id, period_start, period_end, from_slot, to_slot, terms_id, agreed, aggregation, percentile, quantity, commit,
        overage_units, currency, used, buffer, overage, limit_amount, cost, measured, absent, gap, spread, segments,
        as_of_slot, cutoff, run_id
    )
    select
        bucket_id, %(period_start)s, %(period_end)s, from_slot, to_slot, terms_id, agreed, aggregation, percentile,
        quantity, commit, overage_units, %(currency)s, used, buffer, overage, limit_amount, cost, measured, absent, gap,
        spread, segments, as_of_slot, %(cutoff)s, %(run_id)s
    from given
    order by bucket_id
    on conflict (bucket_id, period_start) do update set
        period_end = excluded.period_end, from_slot = excluded.from_slot, to_slot = excluded.to_slot,
        terms_id = excluded.terms_id, agreed = excluded.agreed, aggregation = excluded.aggregation,
        percentile = excluded.percentile, quantity = excluded.quantity, commit = excluded.commit,
        overage_units = excluded.overage_units, currency = excluded.currency, used = excluded.used,
        buffer = excluded.buffer, overage = excluded.overage, limit_amount = excluded.limit_amount, cost = excluded.cost,
        measured = excluded.measured, absent = excluded.absent, gap = excluded.gap, spread = excluded.spread,
        segments = excluded.segments, as_of_slot = excluded.as_of_slot, cutoff = excluded.cutoff, run_id = excluded.run_id
    where r.finalised_at is null
    returning *
)
select
    count(*) as readings,
    count(*) filter (
        where b.bucket_id is null
           or (s.period_end, s.aggregation, s.percentile, s.quantity, s.commit, s.currency, s.used, s.buffer, s.overage,
               s.limit_amount, s.measured, s.absent, s.gap, s.spread)
              is distinct from
              (b.period_end, b.aggregation, b.percentile, b.quantity, b.commit, b.currency, b.used, b.buffer, b.overage,
               b.limit_amount, b.measured, b.absent, b.gap, b.spread)
    ) as changed
from saved s
left join before b on b.bucket_id = s.bucket_id

-- name: remove
-- Readings of a period in which their buckets have no terms any more; finalised ones stay.
delete from billing_reading
where bucket_id = any(%(bucket_ids)s) and period_start = %(period_start)s and finalised_at is null
