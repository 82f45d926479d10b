-- Billing: what is due, what was used, what it came to.

-- name: lock_ingest
-- Waits until every group commit that has its time is visible, and lets none take a time until this transaction ends.
select pg_advisory_xact_lock(hashtextextended('ullage.ingest', 0))

-- name: cutoff
-- A statement of its own after `lock_ingest`: the clock is read once the lock is held.
select clock_timestamp()

-- name: clients
select id, currency, currency_digits, time_zone, cycle_unit, cycle_count, cycle_anchor, finalised_slot
from client
where enabled
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
-- The terms of the client's enabled buckets, each with what its bucket counts.
select b.id as bucket_id, u.kind, u.divisor, u.per, u.precision, u.slot_minutes,
       t.id as terms_id, t.starts_on, t.commit, t.base_price, t.overage_price, t.aggregation
from bucket b
join unit_type u on u.id = b.unit_type_id
join bucket_terms t on t.bucket_id = b.id
where b.client_id = %(client_id)s and b.enabled
order by b.id, t.starts_on

-- name: first_slot
-- The first slot in which anything was measured of a series while bound to one of the client's enabled buckets.
select min(greatest(b.from_slot, a.from_slot))
from bucket k
join binding b on b.bucket_id = k.id
join series_agent a on a.series_id = b.series_id and a.from_slot < b.to_slot and a.to_slot > b.from_slot
where k.client_id = %(client_id)s and k.enabled

-- name: standings
-- Readings of the client's buckets from a period on, by what they were rated on.
select r.bucket_id, r.period_start, r.terms_id, r.from_slot, r.to_slot, r.as_of_slot,
       r.finalised_at is not null as finalised
from bucket b
join billing_reading r on r.bucket_id = b.id
where b.client_id = %(client_id)s and b.enabled and r.to_slot > %(finalised_slot)s

-- name: dirty_days
select d.bucket_id, d.day_slot
from bucket b
join dirty d on d.bucket_id = b.id
where b.client_id = %(client_id)s and b.enabled

-- name: lock_dirty
-- The client's marks that have a slot in [from_slot, to_slot). In the order in which the roll-up writes them, so that
-- the two do not wait for one another; it waits for those whose cause is not committed yet.
select d.bucket_id, d.day_slot
from dirty d
where d.bucket_id in (select id from bucket where client_id = %(client_id)s and enabled)
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

-- name: rating_memory
-- A client's month of some 100,000 cells is sorted and hashed in memory; for this transaction.
set local work_mem = '64MB'

-- name: usage
-- The slot values of buckets over spans of slots, folded, as domain/quantity.py wants them; none where nothing is bound.
-- [since, until) holds all the spans: written out, the planner leaves the other chunks aside.
-- `late`: something was stored after the cutoff, so the bucket has to be rated again by a run with a later one.
with wanted as (
    select *
    from unnest(
        %(bucket_ids)s::bigint[], %(from_slots)s::integer[], %(to_slots)s::integer[], %(counted)s::boolean[]
    ) as w (bucket_id, from_slot, to_slot, counted)
),
bound as materialized (
    select
        w.bucket_id, b.series_id, u.kind, u.level_value, u.slot_minutes,
        greatest(b.from_slot, w.from_slot) as from_slot, least(b.to_slot, w.to_slot) as to_slot,
        w.to_slot - u.slot_minutes / 5 as last_slot,
        case when w.counted then s.asset_id end as asset_id,
        -- Amounts of several agents add up; for a level one of them counts.
        u.kind = 'level' and (
            select count(*) > 1
            from series_agent a
            where a.series_id = b.series_id and a.from_slot < w.to_slot and a.to_slot > w.from_slot
        ) as contested
    from wanted w
    join binding b on b.bucket_id = w.bucket_id and b.from_slot < w.to_slot and b.to_slot > w.from_slot
    join series s on s.id = b.series_id
    join unit_type u on u.id = s.unit_type_id
),
source as materialized (
    select
        a.agent_id, b.slot_minutes,
        min(greatest(a.from_slot, b.from_slot)) as from_slot, max(least(a.to_slot, b.to_slot)) as to_slot
    from bound b
    join series_agent a on a.series_id = b.series_id and a.from_slot < b.to_slot and a.to_slot > b.from_slot
    group by a.agent_id, b.slot_minutes
),
late as materialized (
    select s.agent_id, 60::smallint as width, r.slot
    from source s
    join slot_60 r on r.agent_id = s.agent_id and r.slot >= s.from_slot and r.slot < s.to_slot
    where s.slot_minutes = 60 and r.stored_max > %(cutoff)s and r.slot >= %(since)s and r.slot < %(until)s
    union all
    select s.agent_id, 5::smallint, r.slot
    from source s
    join slot_5 r on r.agent_id = s.agent_id and r.slot >= s.from_slot and r.slot < s.to_slot
    where s.slot_minutes = 5 and r.stored_max > %(cutoff)s and r.slot >= %(since)s and r.slot < %(until)s
),
slots as (
    select r.agent_id, r.slot, r.series, r.n, r.total, r.high, r.last
    from source s
    join slot_60 r on r.agent_id = s.agent_id and r.slot >= s.from_slot and r.slot < s.to_slot
    where s.slot_minutes = 60 and r.stored_max <= %(cutoff)s and r.slot >= %(since)s and r.slot < %(until)s
    union all
    select r.agent_id, r.slot, r.series, r.n, r.total, r.high, r.last
    from source s
    join slot_5 r on r.agent_id = s.agent_id and r.slot >= s.from_slot and r.slot < s.to_slot
    where s.slot_minutes = 5 and r.stored_max <= %(cutoff)s and r.slot >= %(since)s and r.slot < %(until)s
    union all
    select r.agent_id, r.slot, r.series, r.n, r.total, r.high, r.last
    from slots_of(
        array(select agent_id from late), array(select width from late), array(select slot from late), %(cutoff)s
    ) r
    where exists (select from late)
),
-- Not materialised, though read twice: where nothing is contested the second reading is free.
cell as not materialized (
    select
        b.bucket_id, b.asset_id, b.last_slot, b.contested, c.slot, c.series_id, c.agent_id, c.n,
        case
            when b.kind = 'amount' then c.total
            when b.level_value = 'high' then c.high
            when b.level_value = 'last' then c.last
            -- (2·total + n) div 2n, which cannot overflow so.
            else c.total / c.n + (2 * (c.total %% c.n) >= c.n)::integer
        end as value
    from (
        select
            slot, agent_id, unnest(series) as series_id, unnest(n) as n,
            unnest(total) as total, unnest(high) as high, unnest(last) as last
        from slots
    ) c
    join bound b on b.series_id = c.series_id and b.from_slot <= c.slot and c.slot < b.to_slot
),
single as (
    select bucket_id, asset_id, slot, last_slot, value
    from cell
    where not contested
    union all
    (
        select distinct on (series_id, slot) bucket_id, asset_id, slot, last_slot, value
        from cell
        where contested
        order by series_id, slot, n desc, agent_id
    )
),
folded as (
    select bucket_id, asset_id, slot, last_slot, grouping(slot) = 0 as of_slot, sum(value) as value
    from single
    group by grouping sets ((bucket_id, slot, last_slot), (bucket_id, asset_id))
),
behind as (
    select distinct b.bucket_id
    from late l
    join series_agent a on a.agent_id = l.agent_id and a.from_slot <= l.slot and l.slot < a.to_slot
    join bound b on b.series_id = a.series_id and b.from_slot <= l.slot and l.slot < b.to_slot
)
select
    bucket_id,
    coalesce(sum(value) filter (where of_slot), 0) as total,
    coalesce(max(value) filter (where of_slot), 0) as high,
    coalesce(max(value) filter (where of_slot and slot = last_slot), 0) as last,
    count(asset_id) filter (where not of_slot) as assets,
    bucket_id in (select bucket_id from behind) as late
from (
    select * from folded
    union all
    -- What is late may be all there is.
    select bucket_id, null, null, null, false, 0 from behind
) all_of_it
group by bucket_id

-- name: save
-- A finalised reading stays as it is. `changed` counts readings that are new or say something else than before.
with given as (
    select *
    from jsonb_to_recordset(%(readings)s) as g (
        bucket_id bigint, terms_id bigint, from_slot integer, to_slot integer, as_of_slot integer, aggregation text,
        quantity numeric, commit numeric, overage_units numeric,
        used numeric, buffer numeric, overage numeric, cost numeric
    )
),
before as (
    select r.*
    from given g
    join billing_reading r on r.bucket_id = g.bucket_id and r.period_start = %(period_start)s
),
saved as (
    insert into billing_reading as r (
        bucket_id, period_start, period_end, from_slot, to_slot, terms_id, aggregation, quantity, commit, overage_units,
        currency, used, buffer, overage, cost, as_of_slot, cutoff, run_id
    )
    select
        bucket_id, %(period_start)s, %(period_end)s, from_slot, to_slot, terms_id, aggregation, quantity, commit,
        overage_units, %(currency)s, used, buffer, overage, cost, as_of_slot, %(cutoff)s, %(run_id)s
    from given
    order by bucket_id
    on conflict (bucket_id, period_start) do update set
        period_end = excluded.period_end, from_slot = excluded.from_slot, to_slot = excluded.to_slot,
        terms_id = excluded.terms_id, aggregation = excluded.aggregation, quantity = excluded.quantity,
        commit = excluded.commit, overage_units = excluded.overage_units, currency = excluded.currency,
        used = excluded.used, buffer = excluded.buffer, overage = excluded.overage, cost = excluded.cost,
        as_of_slot = excluded.as_of_slot, cutoff = excluded.cutoff, run_id = excluded.run_id
    where r.finalised_at is null
    returning *
)
select
    count(*) as readings,
    count(*) filter (
        where b.bucket_id is null
           or (s.period_end, s.aggregation, s.quantity, s.commit, s.currency, s.used, s.buffer, s.overage)
              is distinct from
              (b.period_end, b.aggregation, b.quantity, b.commit, b.currency, b.used, b.buffer, b.overage)
    ) as changed
from saved s
left join before b on b.bucket_id = s.bucket_id

-- name: remove
-- Readings of a period in which their buckets have no terms any more; finalised ones stay.
delete from billing_reading
where bucket_id = any(%(bucket_ids)s) and period_start = %(period_start)s and finalised_at is null
