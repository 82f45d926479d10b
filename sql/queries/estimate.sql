-- What the usage of series is about worth: monthly totals and the prices that fit.

-- name: series
-- Whose each series is now and to which bucket it is bound now.
select s.id as series_id, a.source_type_id, s.unit_type_id, x.client_id, b.bucket_id
from series s
join asset a on a.id = s.asset_id
left join assignment x on x.asset_id = a.id and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
left join binding b on b.series_id = s.id and b.from_slot <= %(slot)s and b.to_slot > %(slot)s
where s.id = any (%(series)s::integer[])

-- name: priced_in
-- The same for pairs of series and bucket, as if each series were bound to that bucket.
select s.id as series_id, k.source_type_id, s.unit_type_id, k.client_id, k.id as bucket_id
from unnest(%(series)s::integer[], %(buckets)s::bigint[]) as pair (series_id, bucket_id)
join series s on s.id = pair.series_id
join bucket k on k.id = pair.bucket_id

-- name: units
select id, kind, divisor, per, precision, slot_minutes from unit_type

-- name: clients
select id, finalised_slot
from client
where id = any (%(clients)s::bigint[])

-- name: usual_currency
-- That of most clients: what usage is priced in that is nobody's yet.
select currency, min(currency_digits)::integer as currency_digits
from client
where enabled
group by currency
order by count(*) desc, currency
limit 1

-- name: bucket_prices
-- The terms in force on the client's day, or else the ones that come next to it.
select distinct on (t.bucket_id)
       t.bucket_id, t.aggregation, t.commit, t.base_price,
       coalesce((t.tiers -> 0 ->> 'price')::numeric, t.overage_price) as overage_price
from bucket_terms t
join bucket k on k.id = t.bucket_id
join client c on c.id = k.client_id
where t.bucket_id = any (%(buckets)s::bigint[])
order by t.bucket_id, t.starts_on <= (%(now)s::timestamptz at time zone c.time_zone)::date desc,
         abs(t.starts_on - (%(now)s at time zone c.time_zone)::date)

-- name: kind_prices
-- Prices for what is bound to nothing, by client (0: nobody's), source type and unit type: those of the client's own
-- bucket of that kind, else the template's in its currency, else those of the newest bucket of that kind in its currency.
select k.client_id, k.source_type_id, k.unit_type_id, f.aggregation, f.commit, f.base_price, f.overage_price
from unnest(%(clients)s::bigint[], %(sources)s::smallint[], %(units)s::smallint[], %(currencies)s::text[])
    as k (client_id, source_type_id, unit_type_id, currency)
cross join lateral (
    (select 1 as place, t.aggregation, t.commit, t.base_price,
            coalesce((t.tiers -> 0 ->> 'price')::numeric, t.overage_price) as overage_price
     from bucket b
     join bucket_terms t on t.bucket_id = b.id
     where b.client_id = k.client_id and b.source_type_id = k.source_type_id and b.unit_type_id = k.unit_type_id
     order by b.enabled desc, b.priority desc, b.id, t.starts_on desc
     limit 1)
    union all
    (select 2, t.aggregation, t.commit, p.base_price, p.overage_price
     from template t
     join template_price p on p.template_id = t.id
     where t.enabled and t.source_type_id = k.source_type_id and t.unit_type_id = k.unit_type_id
         and p.currency = k.currency
     order by t.conditions = '[]' desc, t.id
     limit 1)
    union all
    (select 3, t.aggregation, t.commit, t.base_price, coalesce((t.tiers -> 0 ->> 'price')::numeric, t.overage_price)
     from bucket b
     join client c on c.id = b.client_id
     join bucket_terms t on t.bucket_id = b.id
     where c.currency = k.currency and b.source_type_id = k.source_type_id and b.unit_type_id = k.unit_type_id
     order by b.enabled desc, b.id desc, t.starts_on desc
     limit 1)
    order by place
    limit 1
) as f

-- name: totals
-- Per series what its slots in a window add up to; of a month that is not wholly in it the part that its time has.
select u.series_id,
       round(sum(u.total * m.share)) as total, max(u.high) as high,
       (array_agg(u.last order by u.month desc))[1] as last, round(sum(u.readings * m.share))::bigint as readings
from unnest(%(series)s::integer[], %(from_slots)s::integer[]) as asked (series_id, from_slot)
join series_usage u on u.series_id = asked.series_id
    and u.month >= date_trunc('month', slot_start(asked.from_slot) at time zone 'UTC')::date
    and u.month <= date_trunc('month', slot_start(greatest(asked.from_slot, %(to_slot)s::integer - 1)) at time zone 'UTC')::date
cross join lateral (
    select slot_of(u.month::timestamp at time zone 'UTC') as starts,
           least(slot_of((u.month + interval '1 month') at time zone 'UTC'), %(slot)s::integer) as ends
) as span
cross join lateral (
    select case when span.ends <= span.starts or span.starts >= asked.from_slot and span.ends <= %(to_slot)s then 1::numeric
                else greatest(0, least(span.ends, %(to_slot)s) - greatest(span.starts, asked.from_slot))::numeric
                     / (span.ends - span.starts) end as share
) as m
where m.share > 0
group by u.series_id

-- name: stale
-- Series that may be unbound whose money must be worked out anew, and how much of what was measured of them is bound to
-- nothing: of so many slots that many.
select u.series_id, coalesce(span.unbound, 0)::bigint as unbound, coalesce(span.measured, 0)::bigint as measured
from (
    select * from unbound_candidate where stale order by series_id limit %(limit)s::integer for update skip locked
) as u
left join assignment x on x.asset_id = u.asset_id and x.from_slot <= %(slot)s::integer and x.to_slot > %(slot)s
left join client c on c.id = x.client_id
cross join lateral (
    select u.measured * int4multirange(int4range(
        (greatest(coalesce(c.finalised_slot, 0), %(month_slot)s::integer) + u.width - 1) / u.width, null
    )) as slots
) as billable
cross join lateral (
    select
        (select sum(upper(part) - lower(part)) from unnest(billable.slots) as part) as measured,
        (select sum(upper(part) - lower(part)) from unnest(billable.slots * u.gaps) as part) as unbound
) as span

-- name: save_money
update unbound_candidate as u
set money = worth.money, currency = worth.currency, stale = false
from unnest(%(series)s::integer[], %(money)s::numeric[], %(currencies)s::text[]) as worth (series_id, money, currency)
where u.series_id = worth.series_id
