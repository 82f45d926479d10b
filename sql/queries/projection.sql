-- Projections: the readings of open periods, and what they will be at the end.

-- name: clients
select id from client where enabled order by id

-- name: open_readings
-- Readings of the client's open period with the terms that rated them.
select r.bucket_id, r.period_start, r.period_end, r.from_slot, r.to_slot, r.as_of_slot, r.quantity,
       u.kind, u.divisor, u.per, u.precision, u.slot_minutes,
       t.id as terms_id, t.starts_on, r.commit, t.base_price, t.overage_price, r.aggregation,
       r.currency, c.currency_digits
from client c
join bucket b on b.client_id = c.id
join unit_type u on u.id = b.unit_type_id
join billing_reading r on r.bucket_id = b.id and r.period_start <= %(now)s and r.period_end > %(now)s
join bucket_terms t on t.id = r.terms_id
where c.id = %(client_id)s and b.enabled

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
