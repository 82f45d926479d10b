-- Readings and adjustments of periods of clients, as they are exported.

-- name: client_ids
select id from client where %(client_id)s::bigint is null or id = %(client_id)s::bigint order by id

-- name: knows_source_type
select exists (select from source_type where name = %(name)s)

-- name: files
-- By source type, how much there will be of it; `at` is a time in the client's period.
select source_type, count(*) as rows, bool_and(final) as final
from (
    select t.name as source_type, r.finalised_at is not null as final
    from unnest(%(clients)s::bigint[], %(at)s::timestamptz[]) as w (client_id, at)
    join bucket b on b.client_id = w.client_id
    join source_type t on t.id = b.source_type_id
    join billing_reading r on r.bucket_id = b.id and r.period_start <= w.at and r.period_end > w.at
    union all
    select t.name, j.finalised_at is not null
    from unnest(%(clients)s::bigint[], %(at)s::timestamptz[]) as w (client_id, at)
    join bucket b on b.client_id = w.client_id
    join source_type t on t.id = b.source_type_id
    join adjustment j on j.bucket_id = b.id and j.in_start <= w.at and j.in_end > w.at
) found
where %(source_type)s = '' or source_type = %(source_type)s
group by source_type
order by source_type

-- name: lines
-- Of one source type. An adjustment stands in a period and is of an older one; it has a difference of quantity and money.
select kind, client_id, client_name, bucket_id, bucket_name, source_type, unit_type, symbol, unit_kind, aggregation,
       percentile, period_start, period_end, of_start, quantity, commit, overage_units, currency, used, buffer, overage,
       limit_amount, cost, measured, absent, gap, cutoff, finalised_at, notes
from (
    select
        'reading' as kind, 0 as place, b.client_id, c.name as client_name, b.id as bucket_id, b.name as bucket_name,
        t.name as source_type, u.name as unit_type, u.symbol, u.kind as unit_kind, r.aggregation, r.percentile,
        r.period_start, r.period_end, null::timestamptz as of_start, r.quantity, r.commit, r.overage_units, r.currency,
        r.used, r.buffer, r.overage, r.limit_amount, r.cost, r.measured, r.absent, r.gap, r.cutoff, r.finalised_at,
        (select coalesce(string_agg(item, '; '), '') from jsonb_array_elements_text(r.open_items) item) as notes
    from unnest(%(clients)s::bigint[], %(at)s::timestamptz[]) as w (client_id, at)
    join bucket b on b.client_id = w.client_id
    join client c on c.id = b.client_id
    join source_type t on t.id = b.source_type_id
    join unit_type u on u.id = b.unit_type_id
    join billing_reading r on r.bucket_id = b.id and r.period_start <= w.at and r.period_end > w.at
    union all
    select
        'adjustment', 1, b.client_id, c.name, b.id, b.name, t.name, u.name, u.symbol, u.kind, r.aggregation, r.percentile,
        j.in_start, j.in_end, j.period_start, j.delta_quantity, null, null, j.currency, null, null, null, null, j.amount,
        null, null, null, j.cutoff, j.finalised_at, j.reason
    from unnest(%(clients)s::bigint[], %(at)s::timestamptz[]) as w (client_id, at)
    join bucket b on b.client_id = w.client_id
    join client c on c.id = b.client_id
    join source_type t on t.id = b.source_type_id
    join unit_type u on u.id = b.unit_type_id
    join adjustment j on j.bucket_id = b.id and j.in_start <= w.at and j.in_end > w.at
    join billing_reading r on r.bucket_id = b.id and r.period_start = j.period_start
) found
where source_type = %(source_type)s
order by client_name collate "C", client_id, period_start, bucket_name collate "C", bucket_id, place, of_start
