-- Evidence of finalised readings, and what explaining a figure reads.

-- name: as_of
-- Up to which slot each of these buckets' readings of a period goes.
select bucket_id, as_of_slot
from billing_reading
where bucket_id = any(%(bucket_ids)s) and period_start = %(period_start)s

-- name: bound
-- What is bound to these buckets in these spans, cut to them. With `bindings` (null: all) these alone.
select
    w.bucket_id, b.id, b.series_id, s.asset_id, s.merged_from,
    (select min(a.from_slot) from series_agent a where a.series_id = b.series_id) as first_slot,
    greatest(b.from_slot, w.from_slot) as from_slot, least(b.to_slot, w.to_slot) as to_slot
from unnest(%(bucket_ids)s::bigint[], %(from_slots)s::integer[], %(to_slots)s::integer[])
    as w (bucket_id, from_slot, to_slot)
join binding b on b.bucket_id = w.bucket_id and b.from_slot < w.to_slot and b.to_slot > w.from_slot
join series s on s.id = b.series_id
where %(bindings)s::bigint[] is null or b.id = any(%(bindings)s::bigint[])
order by w.bucket_id, b.id

-- name: save
-- Names as they are now, of the client, the bucket, what it counts, and its assets.
insert into evidence (bucket_id, period_start, body, sha256, names)
select
    b.id, %(period_start)s, %(body)s, %(sha256)s,
    jsonb_build_object(
        'client', c.name, 'bucket', b.name, 'unit', u.name, 'symbol', u.symbol,
        'assets', coalesce(
            (select jsonb_object_agg(a.id, a.name) from asset a where a.id = any(%(assets)s::bigint[])), '{}'
        )
    )
from bucket b
join client c on c.id = b.client_id
join unit_type u on u.id = b.unit_type_id
where b.id = %(bucket_id)s

-- name: forget
-- Another name for an erased client, wherever its own is kept beside evidence.
update evidence e set names = e.names || jsonb_build_object('client', %(name)s::text)
from bucket b
where b.client_id = %(client_id)s and e.bucket_id = b.id

-- name: texts
-- Evidence of one period of these buckets.
select bucket_id, period_start, body, sha256, names
from evidence
where bucket_id = any(%(bucket_ids)s) and period_start = %(period_start)s

-- name: finalised
-- A client's finalised readings, and any others that have evidence, oldest first; with a bucket or a time (null: all) these
-- alone.
select r.bucket_id << 32 | r.from_slot as id
from bucket b
join billing_reading r on r.bucket_id = b.id
where b.client_id = %(client_id)s
    and (
        r.finalised_at is not null
        or exists (select from evidence e where e.bucket_id = r.bucket_id and e.period_start = r.period_start)
    )
    and (%(bucket_id)s::bigint is null or b.id = %(bucket_id)s::bigint)
    and (%(at)s::timestamptz is null or r.period_start <= %(at)s::timestamptz and r.period_end > %(at)s::timestamptz)
order by r.period_start, b.id

-- name: reading_at
-- The bucket's reading of the period that holds a time.
select bucket_id << 32 | from_slot as id
from billing_reading
where bucket_id = %(bucket_id)s and period_start <= %(at)s and period_end > %(at)s

-- name: client_of
select client_id from bucket where id = %(bucket_id)s

-- name: asset_names
select id, name from asset where id = any(%(assets)s)

-- name: raw_floor
-- From when on raw readings are complete; null: from the first.
select nullif(floor, '-infinity') from raw_floor

-- name: raw_readings
-- What was read of an asset's series of one bucket that has to do with a slot: levels ticked in it, amounts whose span
-- reaches into it; what was stored by the cutoff. Ticks that reach far back are found by an index of their own.
select t.since, t.ticked_at, t.stored_at, g.name as agent, t.value[place] as value, u.name as unit_type
from binding b
join series s on s.id = b.series_id
join unit_type u on u.id = s.unit_type_id
join series_agent k on k.series_id = s.id
join agent g on g.id = k.agent_id
cross join lateral (
    (
        select near.agent_id, near.since, near.ticked_at, near.stored_at, near.series, near.value
        from tick near
        where near.agent_id = k.agent_id and near.ticked_at > %(starts)s::timestamptz and near.ticked_at <= %(ends)s::timestamptz + interval '1 hour'
            and (near.ticked_at <= %(ends)s or near.since < %(ends)s) and near.stored_at <= %(cutoff)s
    )
    union all
    (
        select far.agent_id, far.since, far.ticked_at, far.stored_at, far.series, far.value
        from tick far
        where far.agent_id = k.agent_id and far.ticked_at > %(ends)s::timestamptz + interval '1 hour' and far.since < %(ends)s
            and far.ticked_at - far.since > interval '1 hour' and far.stored_at <= %(cutoff)s
    )
) t
cross join lateral array_position(t.series, s.id) as place
where b.bucket_id = %(bucket_id)s and s.asset_id = %(asset_id)s and place is not null
    and b.from_slot <= %(slot)s and b.to_slot > %(slot)s
    and (u.kind = 'amount' or t.ticked_at <= %(ends)s)
order by t.ticked_at, t.agent_id, s.id
limit %(rows_max)s
