-- Buckets as they are changed.

-- name: hold
-- The client is shared, so that it is neither disabled nor its time finalised meanwhile.
select
    b.id, b.client_id, c.name as client_name, c.enabled as client_enabled, c.currency_digits, b.name, b.source_type_id,
    u.slot_minutes, b.priority, b.enabled, c.finalised_slot, clock_timestamp() as now,
    coalesce((select jsonb_agg(f.conditions order by f.id) from bucket_filter as f where f.bucket_id = b.id), '[]')::text
        as filters
from bucket as b
join client as c on c.id = b.client_id
join unit_type as u on u.id = b.unit_type_id
where b.id = any(%(buckets)s::bigint[])
order by b.id
for update of b for share of c

-- name: named
select exists (
    select from bucket where client_id = %(client_id)s and name = %(name)s and id <> %(bucket_id)s
)

-- name: describe
update bucket set name = %(name)s, priority = %(priority)s, updated_at = clock_timestamp() where id = %(bucket_id)s

-- name: remove_filters
delete from bucket_filter where bucket_id = %(bucket_id)s

-- name: add_filters
insert into bucket_filter (bucket_id, conditions)
select %(bucket_id)s, conditions::jsonb
from unnest(%(filters)s::text[]) with ordinality as given (conditions, place)
order by place

-- name: terms
select bucket_id, id, starts_on, ends_on, commit, base_price, overage_price, aggregation, percentile, package, minimum,
       maximum, tiers, gap_hold, prorate
from bucket_terms
where bucket_id = any(%(buckets)s::bigint[])
order by bucket_id, starts_on

-- name: add_terms
insert into bucket_terms (
    bucket_id, starts_on, ends_on, commit, base_price, overage_price, aggregation, percentile, package, minimum, maximum,
    tiers, gap_hold, prorate
)
values (
    %(bucket_id)s, %(starts_on)s, %(ends_on)s, %(commit)s, %(base_price)s, %(overage_price)s, %(aggregation)s,
    %(percentile)s, %(package)s, %(minimum)s, %(maximum)s, %(tiers)s, %(gap_hold)s, %(prorate)s
)
returning id

-- name: replace_terms
update bucket_terms
set starts_on = %(starts_on)s, ends_on = %(ends_on)s, commit = %(commit)s, base_price = %(base_price)s,
    overage_price = %(overage_price)s, aggregation = %(aggregation)s, percentile = %(percentile)s,
    package = %(package)s, minimum = %(minimum)s, maximum = %(maximum)s, tiers = %(tiers)s, gap_hold = %(gap_hold)s,
    prorate = %(prorate)s
where id = %(terms_id)s

-- name: remove_terms
delete from bucket_terms where id = %(terms_id)s

-- name: set_enabled
update bucket set enabled = %(enabled)s, updated_at = clock_timestamp() where id = any(%(buckets)s::bigint[])

-- name: set_reviewed
update bucket set reviewed = %(reviewed)s, updated_at = clock_timestamp()
where id = any(%(buckets)s::bigint[]) and reviewed <> %(reviewed)s

-- name: rated
select bucket_id, period_start, quantity, cost, currency
from billing_reading
where bucket_id = any(%(buckets)s::bigint[]) and finalised_at is null
order by bucket_id, period_start

-- name: bound
select count(distinct s.asset_id) as assets, count(distinct s.id) as series
from binding as b
join series as s on s.id = b.series_id
join bucket as k on k.id = b.bucket_id
join client as c on c.id = k.client_id
where b.bucket_id = any(%(buckets)s::bigint[]) and b.to_slot > c.finalised_slot
