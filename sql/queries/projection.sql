-- Projections: the readings of open periods, and what they will be at the end.

-- name: clients
-- All that have a bucket: terms say how long it is billed, not whether it is enabled.
select id from client c where exists (select from bucket b where b.client_id = c.id) order by id

-- name: open_readings
-- Readings of the client's open period that were rated since they were projected, with the parts that they were rated in.
select r.bucket_id, r.period_start, r.period_end, r.from_slot, r.quantity, r.aggregation, r.segments, r.currency, r.cutoff,
       r.run_id as rated_by,
       coalesce(
           (
               select y.currency_digits
               from client_cycle y
               where y.client_id = c.id and y.currency = r.currency
               order by y.ended_on desc
               limit 1
           ),
           c.currency_digits
       ) as currency_digits,
       u.kind, u.divisor, u.per, u.precision, u.slot_minutes
from client c
join bucket b on b.client_id = c.id
join unit_type u on u.id = b.unit_type_id
join billing_reading r on r.bucket_id = b.id and r.period_start <= %(now)s and r.period_end > %(now)s
left join projection p on p.bucket_id = r.bucket_id and p.period_start = r.period_start
where c.id = %(client_id)s and r.segments <> '[]' and p.rated_by is distinct from r.run_id

-- name: terms
select t.id, t.starts_on, t.ends_on, t.commit, t.base_price, t.overage_price, t.aggregation, t.percentile, t.package,
       t.minimum, t.maximum, t.tiers, t.gap_hold, t.prorate
from bucket_terms t
join bucket b on b.id = t.bucket_id
where b.client_id = %(client_id)s

-- name: save
-- The newest one, and the first one of each per cent of the period that has passed.
with given as (
    select *
    from jsonb_to_recordset(%(projections)s) as g (
        bucket_id bigint, period_start timestamptz, period_end timestamptz, aggregation text, current_quantity numeric,
        projected_quantity numeric, currency text, projected_cost numeric, percent_of_commit numeric,
        low_quantity numeric, high_quantity numeric, low_cost numeric, high_cost numeric, method text, rated_by bigint,
        share smallint
    )
),
remembered as (
    insert into projection_history (
        bucket_id, period_start, share, projected_quantity, low_quantity, high_quantity, projected_cost, calculated_at
    )
    select bucket_id, period_start, share, projected_quantity, low_quantity, high_quantity, projected_cost, %(now)s
    from given
    order by bucket_id
    on conflict (bucket_id, period_start, share) do nothing
)
insert into projection (
    bucket_id, period_start, period_end, aggregation, current_quantity, projected_quantity, currency,
    projected_cost, percent_of_commit, low_quantity, high_quantity, low_cost, high_cost, method, rated_by,
    calculated_at, run_id
)
select
    bucket_id, period_start, period_end, aggregation, current_quantity, projected_quantity, currency,
    projected_cost, percent_of_commit, low_quantity, high_quantity, low_cost, high_cost, method, rated_by,
    %(now)s, %(run_id)s
from given
order by bucket_id
on conflict (bucket_id, period_start) do update set
    period_end = excluded.period_end, aggregation = excluded.aggregation, current_quantity = excluded.current_quantity,
    projected_quantity = excluded.projected_quantity, currency = excluded.currency,
    projected_cost = excluded.projected_cost, percent_of_commit = excluded.percent_of_commit,
    low_quantity = excluded.low_quantity, high_quantity = excluded.high_quantity, low_cost = excluded.low_cost,
    high_cost = excluded.high_cost, method = excluded.method, rated_by = excluded.rated_by,
    calculated_at = excluded.calculated_at, run_id = excluded.run_id
