-- Projections: the readings of open periods, and what they will be at the end.

-- name: clients
-- All that have a bucket: terms say how long it is billed, not whether it is enabled.
select id from client c where exists (select from bucket b where b.client_id = c.id) order by id

-- name: open_readings
-- Readings of the client's open period, with the parts that they were rated in.
select r.bucket_id, r.period_start, r.period_end, r.quantity, r.aggregation, r.segments, r.currency,
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
where c.id = %(client_id)s and r.segments <> '[]'

-- name: terms
select t.id, t.starts_on, t.ends_on, t.commit, t.base_price, t.overage_price, t.aggregation, t.percentile, t.package,
       t.minimum, t.maximum, t.tiers, t.gap_hold, t.prorate
from bucket_terms t
join bucket b on b.id = t.bucket_id
where b.client_id = %(client_id)s

-- name: save
insert into projection (
    bucket_id, period_start, period_end, aggregation, current_quantity, projected_quantity, currency,
    projected_cost, percent_of_commit, calculated_at, run_id
)
select
    bucket_id, period_start, period_end, aggregation, current_quantity, projected_quantity, currency,
    projected_cost, percent_of_commit, %(now)s, %(run_id)s
from jsonb_to_recordset(%(projections)s) as g (
    bucket_id bigint, period_start timestamptz, period_end timestamptz, aggregation text, current_quantity numeric,
    projected_quantity numeric, currency text, projected_cost numeric, percent_of_commit numeric
)
order by bucket_id
on conflict (bucket_id, period_start) do update set
    period_end = excluded.period_end, aggregation = excluded.aggregation, current_quantity = excluded.current_quantity,
    projected_quantity = excluded.projected_quantity, currency = excluded.currency,
    projected_cost = excluded.projected_cost, percent_of_commit = excluded.percent_of_commit,
    calculated_at = excluded.calculated_at, run_id = excluded.run_id
